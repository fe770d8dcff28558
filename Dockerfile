# fanmap in an image: the program, its task host and the example tasks. `docker build -t fanmap .`
FROM debian:12 AS build
RUN apt-get update && apt-get install -y --no-install-recommends build-essential cmake ninja-build pkg-config \
      librdkafka-dev libhiredis-dev libmsgpack-dev uthash-dev libxxhash-dev libevent-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN rm -rf build && cmake --preset release && ninja -C build \
    && DESTDIR=/out cmake --install build --prefix /usr/local

FROM debian:12-slim
RUN apt-get update && apt-get install -y --no-install-recommends librdkafka1 libhiredis0.14 libmsgpackc2 \
      libxxhash0 libevent-core-2.1-7 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home fanmap \
    && install -d -o fanmap /results \
    && install -d -o fanmap -m 700 /tokens
COPY --from=build /out/usr/local/ /usr/local/
VOLUME /results /tokens
# No HEALTHCHECK: the image does not know what runs in it. docker-compose.yml has one a service (--metrics, fanmap health URL).
USER fanmap
ENTRYPOINT ["fanmap"]
CMD ["--help"]
