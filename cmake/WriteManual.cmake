# cmake -DPROGRAM=fanmap -DTO=DIR -P WriteManual.cmake: manual pages and completion scripts, which the program prints from its
# own tables.
function(write file)
  execute_process(COMMAND ${PROGRAM} ${ARGN} OUTPUT_VARIABLE text COMMAND_ERROR_IS_FATAL ANY)
  file(WRITE ${TO}/${file} "${text}")
endfunction()

set(ENV{HOME} /nonexistent) # no configuration of whoever builds
file(REMOVE_RECURSE ${TO})
execute_process(COMMAND ${PROGRAM} --help OUTPUT_VARIABLE overview COMMAND_ERROR_IS_FATAL ANY)
string(REGEX MATCHALL "\n  [a-z][a-z-]*" commands "${overview}")
write(man/man1/fanmap.1 man)
foreach(command ${commands})
  string(STRIP "${command}" command)
  write(man/man1/fanmap-${command}.1 man ${command})
endforeach()
write(bash-completion/completions/fanmap completion bash)
write(zsh/site-functions/_fanmap completion zsh)
write(fish/vendor_completions.d/fanmap.fish completion fish)
