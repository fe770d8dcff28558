"""Just enough of librdkafka for tests: a record as a stranger might write it, and where a partition ends."""
import ctypes

PRODUCER, CONSUMER, COPY = 0, 1, 2


class RdKafka:
    def __init__(self, brokers):
        self.lib = ctypes.CDLL("librdkafka.so.1")
        for name in ("rd_kafka_conf_new", "rd_kafka_new", "rd_kafka_topic_new"):
            getattr(self.lib, name).restype = ctypes.c_void_p
        self.why = ctypes.create_string_buffer(500)
        conf = ctypes.c_void_p(self.lib.rd_kafka_conf_new())
        self.lib.rd_kafka_conf_set(conf, b"bootstrap.servers", brokers.encode(), self.why, 500)
        self.rk = ctypes.c_void_p(self.lib.rd_kafka_new(PRODUCER, conf, self.why, 500))
        if not self.rk:
            raise RuntimeError(self.why.value.decode())

    def produce(self, topic, partition, key, value):
        rkt = ctypes.c_void_p(self.lib.rd_kafka_topic_new(self.rk, topic.encode(), None))
        code = self.lib.rd_kafka_produce(rkt, ctypes.c_int32(partition), COPY, value, ctypes.c_size_t(len(value)), key,
                                         ctypes.c_size_t(len(key)), None)
        left = self.lib.rd_kafka_flush(self.rk, 10000)
        self.lib.rd_kafka_topic_destroy(rkt)
        if code != 0 or left != 0:
            raise RuntimeError(f"the record was not stored ({code}, {left})")

    def end_of(self, topic, partition):
        low, high = ctypes.c_int64(-1), ctypes.c_int64(-1)
        code = self.lib.rd_kafka_query_watermark_offsets(self.rk, topic.encode(), ctypes.c_int32(partition),
                                                         ctypes.byref(low), ctypes.byref(high), 10000)
        return high.value if code == 0 else -1

    def close(self):
        self.lib.rd_kafka_destroy(self.rk)
