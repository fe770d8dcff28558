"""Records on Kafka as a stranger would write them: librdkafka through ctypes, no part of fanmap."""
import ctypes
import os
import socket
import struct
import time

from services import wait_until

# What a broker answers of that which was made a moment ago, before it has heard of it: no such partition, no leader, not the leader.
NOT_YET = (3, 5, 6)
HEARD_S = 60  # by then it has

_lib = None


def library():
    global _lib
    if _lib is None:
        _lib = ctypes.CDLL("librdkafka.so.1")
        pointer, text, number = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int
        for name, result, arguments in (
                ("rd_kafka_conf_new", pointer, []), ("rd_kafka_conf_set", number, [pointer, text, text, text, ctypes.c_size_t]),
                ("rd_kafka_new", pointer, [number, pointer, text, ctypes.c_size_t]),
                ("rd_kafka_topic_new", pointer, [pointer, text, pointer]),
                ("rd_kafka_produce", number, [pointer, ctypes.c_int32, number, text, ctypes.c_size_t, text, ctypes.c_size_t,
                                              pointer]),
                ("rd_kafka_flush", number, [pointer, number]), ("rd_kafka_topic_destroy", None, [pointer]),
                ("rd_kafka_destroy", None, [pointer])):
            function = getattr(_lib, name)
            function.restype, function.argtypes = result, arguments
    return _lib


def produce(brokers, topic, partition, records):
    """Each of `records` is (key, value), bytes; stored when this returns."""
    lib, why = library(), ctypes.create_string_buffer(200)
    conf = lib.rd_kafka_conf_new()
    lib.rd_kafka_conf_set(conf, b"bootstrap.servers", brokers.encode(), why, 200)
    lib.rd_kafka_conf_set(conf, b"enable.idempotence", b"true", why, 200)  # each once and in order, whatever becomes of the broker
    rk = lib.rd_kafka_new(0, conf, why, 200)
    handle = lib.rd_kafka_topic_new(rk, topic.encode(), None)
    for key, value in records:
        if lib.rd_kafka_produce(handle, partition, 2, value, len(value), key, len(key), None) != 0:
            raise RuntimeError("librdkafka does not take the record")
    left = lib.rd_kafka_flush(rk, 60000)
    lib.rd_kafka_topic_destroy(handle)
    lib.rd_kafka_destroy(rk)
    if left != 0:
        raise RuntimeError("Kafka did not store the records within 60 s")


def produce_one(brokers, topic, partition, key, value, headers=(), timestamp_ms=0):
    """One record with `headers`, (name, bytes) each; key and value may be None, and timestamp_ms 0 is now. Stored when this returns."""
    lib, why = library(), ctypes.create_string_buffer(200)
    number, size, text = ctypes.c_int, ctypes.c_size_t, ctypes.c_char_p
    conf = lib.rd_kafka_conf_new()
    lib.rd_kafka_conf_set(conf, b"bootstrap.servers", brokers.encode(), why, 200)
    lib.rd_kafka_conf_set(conf, b"message.max.bytes", b"20000000", why, 200)  # what is too large is for the topic to say
    rk = ctypes.c_void_p(lib.rd_kafka_new(0, conf, why, 200))
    words = [number(1), text(topic.encode()), number(3), ctypes.c_int32(partition), number(7), number(2), number(8),
             ctypes.c_int64(timestamp_ms), number(5), text(key), size(len(key or b"")), number(4), text(value), size(len(value or b""))]
    for name, content in headers:
        words += [number(9), text(name.encode()), text(content), ctypes.c_ssize_t(len(content))]
    if lib.rd_kafka_producev(rk, *words, number(0)) != 0:
        raise RuntimeError("librdkafka does not take the record")
    left = lib.rd_kafka_flush(rk, 30000)
    lib.rd_kafka_destroy(rk)
    if left != 0:
        raise RuntimeError("Kafka did not store the record within 30 s")


def transaction(brokers, topic, partition, records, commits):
    """Records as `produce` takes them, in one transaction, which is committed or aborted."""
    lib, why = library(), ctypes.create_string_buffer(200)
    conf = lib.rd_kafka_conf_new()
    for name, value in ((b"bootstrap.servers", brokers.encode()), (b"transactional.id", os.urandom(8).hex().encode())):
        lib.rd_kafka_conf_set(conf, name, value, why, 200)
    rk = ctypes.c_void_p(lib.rd_kafka_new(0, conf, why, 200))
    handle = lib.rd_kafka_topic_new(rk, topic.encode(), None)

    def call(name, *args):
        function = getattr(lib, name)
        function.restype = ctypes.c_void_p
        if function(rk, *args):
            raise RuntimeError(name)

    call("rd_kafka_init_transactions", 30000)
    call("rd_kafka_begin_transaction")
    for key, value in records:
        lib.rd_kafka_produce(handle, partition, 2, value, len(value), key, len(key), None)
    lib.rd_kafka_flush(rk, 30000)  # an aborted one has its records in the log, too
    call("rd_kafka_commit_transaction" if commits else "rd_kafka_abort_transaction", 30000)
    lib.rd_kafka_topic_destroy(handle)
    lib.rd_kafka_destroy(rk)


class _Message(ctypes.Structure):
    _fields_ = [("err", ctypes.c_int), ("rkt", ctypes.c_void_p), ("partition", ctypes.c_int32), ("payload", ctypes.c_void_p),
                ("len", ctypes.c_size_t), ("key", ctypes.c_void_p), ("key_len", ctypes.c_size_t), ("offset", ctypes.c_int64),
                ("private", ctypes.c_void_p)]


class Committed:
    """A reader of committed records, of every partition from its beginning."""

    def __init__(self, brokers, topic, partitions):
        lib, why = library(), ctypes.create_string_buffer(200)
        conf = lib.rd_kafka_conf_new()
        for name, value in ((b"bootstrap.servers", brokers.encode()), (b"group.id", b"raw"), (b"isolation.level", b"read_committed"),
                            (b"auto.offset.reset", b"earliest"), (b"enable.auto.commit", b"false"), (b"log_level", b"0")):
            lib.rd_kafka_conf_set(conf, name, value, why, 200)
        self.rk = ctypes.c_void_p(lib.rd_kafka_new(1, conf, why, 200))
        lib.rd_kafka_topic_partition_list_new.restype = ctypes.c_void_p
        lib.rd_kafka_consumer_poll.restype = ctypes.POINTER(_Message)
        entries = ctypes.c_void_p(lib.rd_kafka_topic_partition_list_new(partitions))
        for partition in range(partitions):
            lib.rd_kafka_topic_partition_list_add(entries, topic.encode(), partition)
            # from the first record, and not from what a group has committed, for which a new cluster's coordinator would be waited for
            lib.rd_kafka_topic_partition_list_set_offset(entries, topic.encode(), partition, ctypes.c_int64(-2))
        lib.rd_kafka_assign(self.rk, entries)
        lib.rd_kafka_topic_partition_list_destroy(entries)

    def poll(self, wait_ms=200, has_headers=True):
        """(partition, key, value, headers) of one record, or None. Key and value None: there is none."""
        lib = library()
        message = lib.rd_kafka_consumer_poll(self.rk, wait_ms)
        if not message:
            return None
        m, record = message.contents, None
        if m.err == 0:
            key = ctypes.string_at(m.key, m.key_len) if m.key else None
            value = ctypes.string_at(m.payload, m.len) if m.payload else None
            record = (m.partition, key, value, self._headers(message) if has_headers else None)
        lib.rd_kafka_message_destroy(message)
        return record

    @staticmethod
    def _headers(message):
        lib, found, at = library(), {}, ctypes.c_void_p()
        name, value, size = ctypes.c_char_p(), ctypes.c_void_p(), ctypes.c_size_t()
        if lib.rd_kafka_message_headers(message, ctypes.byref(at)) != 0:
            return found
        i = 0
        while lib.rd_kafka_header_get_all(at, ctypes.c_size_t(i), ctypes.byref(name), ctypes.byref(value), ctypes.byref(size)) == 0:
            found[name.value.decode()] = ctypes.string_at(value, size.value) if value else None
            i += 1
        return found

    def close(self):
        library().rd_kafka_consumer_close(self.rk)
        library().rd_kafka_destroy(self.rk)


def request(port, key, version, body):
    """One request of Kafka's protocol by the PLAINTEXT listener; the answer behind its correlation id."""
    head = struct.pack(">hhih", key, version, 1, -1)
    with socket.create_connection(("127.0.0.1", port), timeout=30) as s:
        s.sendall(struct.pack(">i", len(head) + len(body)) + head + body)
        stream = s.makefile("rb")
        (size,) = struct.unpack(">i", stream.read(4))
        return stream.read(size)[4:]


def known(what, answer, error):
    """For wait_until: the answer, None when the broker does not know yet what it is asked of, and else the error."""
    if error in NOT_YET:
        return None
    if error != 0:
        raise RuntimeError(f"{what}: {answer!r}")
    return answer


def delete_records(port, topic, partition, before):
    """What retention does, at once. before -1: all."""
    name = struct.pack(">h", len(topic)) + topic.encode()
    body = b"\0\0\0\1" + name + b"\0\0\0\1" + struct.pack(">iqi", partition, before, 20000)

    def delete():
        answer = request(port, 21, 1, body)
        return known("DeleteRecords", answer, struct.unpack(">h", answer[-2:])[0])
    wait_until(delete, HEARD_S, f"{topic} is known")


def committed(port, group, topic, partition):
    """What the group has committed; -1: nothing."""
    name, group = (struct.pack(">h", len(text)) + text.encode() for text in (topic, group))
    answer = request(port, 9, 1, group + struct.pack(">i", 1) + name + struct.pack(">ii", 1, partition))
    return struct.unpack(">q", answer[4 + len(name) + 8:][:8])[0]


class _Answer:
    """Takes an answer apart from its beginning."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def number(self, form):
        self.at += struct.calcsize(form)
        return struct.unpack(form, self.data[self.at - struct.calcsize(form):self.at])[0]

    def text(self, form=">h"):
        size = max(0, self.number(form))
        self.at += size
        return self.data[self.at - size:self.at]

    def skip_texts(self, *forms):
        for form in forms:
            self.text(form)


def assigned(port, group, topic):
    """How many of its partitions each member of the group has, ascending; none while they are dealt out, or where nobody is in it."""
    answer = _Answer(request(port, 15, 0, struct.pack(">i", 1) + _text(group))[4:])  # DescribeGroups, of one
    error, _, state = answer.number(">h"), answer.text(), answer.text()
    answer.skip_texts(">h", ">h")
    shares = []
    for _ in range(answer.number(">i") if error == 0 and state == b"Stable" else 0):
        answer.skip_texts(">h", ">h", ">h", ">i")
        share, n = _Answer(answer.text(">i")), 0
        share.number(">h")
        for _ in range(share.number(">i")):
            name, partitions_n = share.text().decode(), share.number(">i")
            share.at += 4 * partitions_n
            n += partitions_n if name == topic else 0
        shares.append(n)
    return sorted(shares)


def begin(port, topic, partition):
    """The first offset that is still there."""
    return _offset(port, topic, partition, -2)


def end(port, topic, partition):
    """The offset of the next record."""
    return _offset(port, topic, partition, -1)


def _offset(port, topic, partition, timestamp):
    """ListOffsets; of the timestamps -2 is the earliest and -1 the latest."""
    name = struct.pack(">h", len(topic)) + topic.encode()
    body = struct.pack(">i", -1) + b"\0\0\0\1" + name + b"\0\0\0\1" + struct.pack(">iq", partition, timestamp)

    def ask():
        answer = request(port, 2, 1, body)
        return known("ListOffsets", answer, struct.unpack(">h", answer[-18:-16])[0])
    return struct.unpack(">q", wait_until(ask, HEARD_S, f"{topic} is known")[-8:])[0]


# ---- topics ----

def _text(text):
    return struct.pack(">h", len(text)) + text.encode()


def create_topic(port, topic, partitions, **config):
    """With the broker's defaults but for `config`, whose names have _ for a dot. partitions: how many, or of each its brokers."""
    settings = b"".join(_text(name.replace("_", ".")) + _text(str(value)) for name, value in config.items())
    sizes = struct.pack(">ihi", partitions, 1, 0) if isinstance(partitions, int) else struct.pack(">ihi", -1, -1, len(partitions))
    for i, replicas in enumerate([] if isinstance(partitions, int) else partitions):
        sizes += struct.pack(">ii", i, len(replicas)) + b"".join(struct.pack(">i", broker) for broker in replicas)
    body = b"\0\0\0\1" + _text(topic) + sizes + struct.pack(">i", len(config)) + settings
    _check("CreateTopics", request(port, 19, 2, body + struct.pack(">ib", 20000, 0)), topic)
    wait_told(port, topic, partitions if isinstance(partitions, int) else len(partitions))


def wait_told(port, topic, n):
    """Until clients are told of so many partitions: the controller has made them, and the broker hears of it a moment later."""
    def is_told():
        answer = request(port, 3, 1, b"\0\0\0\1" + _text(topic))  # Metadata; behind the name, whether it is internal
        at = answer.index(_text(topic)) + len(_text(topic)) + 1
        return struct.unpack(">i", answer[at:at + 4])[0] >= n
    wait_until(is_told, HEARD_S, f"{topic} has {n} partitions")


def register_absent_broker(kafka, number):
    """A broker that the controller knows and that never comes: replicas that are put there are never in sync."""
    with open(kafka.properties.replace("server.properties", "data/meta.properties")) as f:
        cluster = dict(line.strip().split("=", 1) for line in f if "=" in line)["cluster.id"]

    def short(text):
        return bytes([len(text) + 1]) + text.encode()
    features = [("metadata.version", 1, 29), ("kraft.version", 0, 1), ("transaction.version", 0, 2), ("group.version", 0, 1),
                ("eligible.leader.replicas.version", 0, 1), ("share.version", 0, 1), ("streams.version", 0, 1)]
    body = b"\0" + struct.pack(">i", number) + short(cluster) + os.urandom(16)
    body += b"\2" + short("PLAINTEXT") + short("127.0.0.1") + struct.pack(">Hh", 1, 0) + b"\0"
    body += bytes([len(features) + 1]) + b"".join(short(name) + struct.pack(">hh", *versions) + b"\0" for name, *versions in features)
    body += b"\0\0\2" + os.urandom(16) + struct.pack(">q", -1) + b"\0"  # no rack, not migrating, one folder, no epoch
    answer = request(kafka.controller_port, 62, 3, body)
    if answer[5:7] != b"\0\0":
        raise RuntimeError(f"BrokerRegistration: {answer!r}")


def delete_topic(port, topic):
    _check("DeleteTopics", request(port, 20, 1, b"\0\0\0\1" + _text(topic) + struct.pack(">i", 20000)), topic)


def add_partitions(port, topic, partitions):
    """So that it has this many."""
    body = b"\0\0\0\1" + _text(topic) + struct.pack(">iiib", partitions, -1, 20000, 0)
    _check("CreatePartitions", request(port, 37, 0, body), topic)
    wait_told(port, topic, partitions)


def configure_topic(port, topic, name, value):
    body = b"\0\0\0\1\2" + _text(topic) + b"\0\0\0\1" + _text(name) + b"\0" + _text(value) + b"\0"
    answer = request(port, 44, 0, body)  # IncrementalAlterConfigs; its error stands before the name
    if answer[8:10] != b"\0\0":
        raise RuntimeError(f"IncrementalAlterConfigs: {answer!r}")
    body = b"\0\0\0\1\2" + _text(topic) + b"\0\0\0\1" + _text(name) + b"\0"
    wait_until(lambda: _text(name) + _text(value) in request(port, 32, 1, body), HEARD_S, f"{topic} has its {name}")  # DescribeConfigs


def _check(what, answer, topic):
    """The error stands behind the topic's name."""
    at = answer.index(_text(topic)) + len(_text(topic))
    if answer[at:at + 2] != b"\0\0":
        raise RuntimeError(f"{what}: {answer!r}")


def take_transaction(port, prefix):
    """Another producer takes over the transaction whose id begins so: what was written in it is aborted."""
    answer = request(port, 66, 0, b"\0\2\x08Ongoing\1\0")  # ListTransactions
    at = answer.index(prefix.encode())
    name = answer[at:at + answer[at - 1] - 1].decode()  # its length stands before it
    until = time.monotonic() + 30
    while (code := struct.unpack(">h", request(port, 22, 0, _text(name) + struct.pack(">i", 60000))[4:6])[0]) == 51:
        if time.monotonic() > until:
            break  # it is still being aborted
        time.sleep(0.1)
    if code != 0:
        raise RuntimeError(f"InitProducerId of {name}: error {code}")


def delete_group(port, group):
    """With its positions, as Kafka itself does in time with a group that nobody is in."""
    _check("DeleteGroups", request(port, 42, 0, b"\0\0\0\1" + _text(group)), group)
