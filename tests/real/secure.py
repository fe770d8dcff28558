"""A Kafka that asks who you are and denies what was not granted: SASL with PLAIN and SCRAM, TLS with certificates of a good and
of an expired date, an authorizer. And the two requests of its protocol by which tests grant rights.

Whoever comes in by the PLAINTEXT listener, or by TLS without a certificate, is ANONYMOUS and may do everything.
"""
import os
import shlex
import struct
import subprocess

import raw
from services import Kafka, free_port, wait_until

USER, PASSWORD = "alice", "alice-secret"  # by PLAIN
SCRAM_USER, SCRAM_PASSWORD = "bob", "bob-secret"

OPERATIONS = {"Read": 3, "Write": 4, "Create": 5, "Delete": 6, "Alter": 7, "Describe": 8, "DescribeConfigs": 10}
TOPIC, GROUP, TRANSACTIONS = 2, 3, 5
LITERAL, PREFIXED = b"\x03", b"\x04"


def openssl(folder, *args):
    subprocess.run(["openssl", *args], cwd=folder, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)


def certify(folder, name, ca, subject, days=30):
    """NAME.pem, key and certificate, signed by CA.key and CA.crt; with negative days it has expired. Elliptic keys: made at
    once."""
    openssl(folder, "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", name + ".key",
            "-out", name + ".csr", "-subj", subject)
    with open(os.path.join(folder, name + ".ext"), "w") as f:
        f.write("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
    openssl(folder, "x509", "-req", "-in", name + ".csr", "-CA", ca + ".crt", "-CAkey", ca + ".key", "-CAcreateserial",
            "-out", name + ".crt", "-days", str(days), "-extfile", name + ".ext")
    with open(os.path.join(folder, name + ".pem"), "w") as out:
        for part in (".key", ".crt"):
            with open(os.path.join(folder, name + part)) as f:
                out.write(f.read())


def authority(folder, name):
    openssl(folder, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout",
            name + ".key", "-out", name + ".crt", "-days", "30", "-subj", f"/CN={name}")


class SecureKafka(Kafka):
    format_args = ("--add-scram", f"SCRAM-SHA-256=[name={SCRAM_USER},password={SCRAM_PASSWORD}]")
    listeners = {"SASL_PLAINTEXT": "SASL_PLAINTEXT", "TLS": "SSL", "EXPIRED": "SSL", "MUTUAL": "SSL"}

    def __init__(self, folder, **kwargs):
        super().__init__(folder, **kwargs)
        self.ports = {name: free_port() for name in self.listeners}
        self.ca = os.path.join(folder, "ca.crt")
        self.other_ca = os.path.join(folder, "other.crt")
        for name in ("ca", "other"):
            authority(folder, name)
        certify(folder, "server", "ca", "/CN=localhost")
        certify(folder, "expired", "ca", "/CN=localhost", days=-1)
        certify(folder, "carol", "ca", "/CN=carol")

    def at(self, listener):
        return f"127.0.0.1:{self.ports[listener]}"

    def path(self, name):
        return os.path.join(self.folder, name)

    def settings(self):
        out = super().settings()
        mine = ",".join(f"{name}://{self.at(name)}" for name in self.listeners)
        plain = f"PLAINTEXT://127.0.0.1:{self.port}"
        out.update({
            "listeners": f"{plain},CONTROLLER://127.0.0.1:{self.controller_port},{mine}",
            "advertised.listeners": f"{plain},{mine}",
            "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT," +
                                              ",".join(f"{k}:{v}" for k, v in self.listeners.items()),
            "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256",
            "listener.name.sasl_plaintext.plain.sasl.jaas.config":
                f'org.apache.kafka.common.security.plain.PlainLoginModule required user_{USER}="{PASSWORD}";',
            "listener.name.sasl_plaintext.scram-sha-256.sasl.jaas.config":
                "org.apache.kafka.common.security.scram.ScramLoginModule required;",
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:ANONYMOUS",
            "ssl.truststore.type": "PEM", "ssl.truststore.location": self.ca, "ssl.keystore.type": "PEM",
            "listener.name.tls.ssl.keystore.location": self.path("server.pem"),
            "listener.name.expired.ssl.keystore.location": self.path("expired.pem"),
            "listener.name.mutual.ssl.keystore.location": self.path("server.pem"),
            "listener.name.mutual.ssl.client.auth": "required",
        })
        return out

    # ---- rights ----

    def request(self, key, version, body):
        return raw.request(self.port, key, version, body)

    def grant(self, kind, name, principal, operations, pattern=LITERAL):
        def text(s):
            return struct.pack(">h", len(s)) + s.encode()
        body = struct.pack(">i", len(operations))
        for operation in operations:
            body += (struct.pack(">b", kind) + text(name) + pattern + text(principal) + text("*") +
                     struct.pack(">bb", OPERATIONS[operation], 3))
        answer = self.request(30, 1, body)  # CreateAcls
        for i in range(len(operations)):
            assert answer[8:10] == b"\0\0", answer
        wait_until(lambda: self.knows(name, principal, len(operations), pattern), 20, "the broker knows the rights")

    def knows(self, name, principal, n, pattern):
        def text(s):
            return struct.pack(">h", len(s)) + s.encode()
        body = b"\x01" + text(name) + pattern + text(principal) + struct.pack(">h", -1) + b"\x01\x01"
        answer = self.request(29, 1, body)  # DescribeAcls
        return answer.count(principal.encode()) >= n

    def run_acl_line(self, line, without=()):
        """What the line of `fanmap topics --print-acls` would do, but for the (operation, name) in `without`."""
        words = shlex.split(line)
        assert words[0] == "kafka-acls.sh" and "--add" in words, line
        principal = words[words.index("--allow-principal") + 1]
        kind = next(word for word in ("--topic", "--group", "--transactional-id") if word in words)
        name = words[words.index(kind) + 1]
        operations = [words[i + 1] for i, word in enumerate(words) if word == "--operation"]
        operations = [o for o in operations if (o, name) not in without]
        pattern = PREFIXED if words[-2:] == ["--resource-pattern-type", "prefixed"] else LITERAL
        if operations:
            self.grant({"--topic": TOPIC, "--group": GROUP}.get(kind, TRANSACTIONS), name, principal, operations, pattern)
