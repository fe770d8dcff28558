# Writes C that holds a file's bytes: cmake -DFROM=FILE -DTO=OUT.c -DNAME=symbol -P EmbedFile.cmake
file(READ ${FROM} hex HEX)
string(REGEX REPLACE "(................................)" "\\1\n" hex "${hex}")
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," hex "${hex}")
file(WRITE ${TO} "#include \"serve/assets.h\"\n\nconst unsigned char ${NAME}[] = {\n${hex}\n};\nconst size_t ${NAME}_len = sizeof ${NAME};\n")
