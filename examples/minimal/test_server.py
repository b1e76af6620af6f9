#!/usr/bin/env python3
"""Tests of the small server: the parser by the test vectors, the server over real sockets.

    python3 -m unittest -v test_server
"""
import base64, http.client, json, pathlib, re, signal, socket, subprocess, sys, time, unittest
from urllib.parse import urlsplit

import server

HERE = pathlib.Path(__file__).resolve().parent
VECTORS = HERE.parent.parent / "tests" / "vectors"
SESSION = "c2Vzc2lvbi1leGFtcGxlMQ"


class Vectors(unittest.TestCase):
    def test_vectors(self):
        files = sorted(VECTORS.glob("*.json"))
        self.assertGreater(len(files), 40)
        for file in files:
            case = json.loads(file.read_text(encoding="utf-8"))
            if case["carrier"] != "lines":
                continue
            with self.subTest(file.name, name=case["name"]):
                body = base64.b64decode(case["bytes64"]) if "bytes64" in case else case["bytes"].encode()
                expected = [(f["verb"], f["words"], f["fields"],
                             base64.b64decode(f["data64"]) if "data64" in f else f.get("data", "").encode())
                            for f in case["frames"]]
                frames, fault = server.parse(body)
                self.assertEqual([tuple(frame) for frame in frames], expected)
                self.assertEqual(fault, case.get("fault"))

    def test_payload_limit(self):
        for size, fault in [(1 << 20, None), ((1 << 20) + 1, "too-large")]:
            for body in [b"e 1 1 a :" + b"x" * size + b"\n", b"e 1 1 a #%d\n" % size + b"x" * size + b"\n",
                         b"e 1 1 a =" + base64.b64encode(b"x" * size) + b"\n"]:
                self.assertEqual(server.parse(body)[1], fault, (size, body[:20]))


class Process:
    """The server as a process; what is written to `publish` are the events of the channel `chat`."""

    def __init__(self, *options: str, port: int = 0):
        command = [sys.executable, str(HERE / "server.py"), "--listen", f"127.0.0.1:{port}", "--beat", "1000", *options]
        # Whoever runs this in the background of a shell has SIGINT ignored, which a child would inherit.
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
        self.url = urlsplit(self.process.stdout.readline().strip())

    def publish(self, *lines: str) -> None:
        self.process.stdin.write("".join(line + "\n" for line in lines))
        self.process.stdin.flush()
        time.sleep(0.1)

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        code = self.process.wait(5)
        self.process.stdin.close()
        self.process.stdout.close()
        return code


class Answer:
    """One request; its frames as lines, read as they come."""

    def __init__(self, url, *lines: str, hello="mode=once", raw: bytes | None = None, connection=None, **headers: str):
        self.connection = connection or http.client.HTTPConnection(url.hostname, url.port, timeout=5)
        body = raw if raw is not None else "".join(
            line + "\n" for line in [f"hello v=1 session={SESSION} {hello}", *lines]).encode()
        self.connection.request("POST", url.path, body, {"Content-Type": "text/plain", **headers})
        self.response = self.connection.getresponse()

    def line(self) -> str:
        return self.response.readline().decode().rstrip("\n")

    def rest(self) -> list[str]:
        lines = self.response.read().decode().split("\n")
        return [line for line in lines if line not in ("", "beat")]


class ServerTest(unittest.TestCase):
    def start(self, *options: str, port: int = 0) -> Process:
        process = Process("--stdin", "chat", *options, port=port)
        self.addCleanup(process.stop)
        return process

    def ask(self, process: Process, *lines: str, **options) -> Answer:
        answer = Answer(process.url, *lines, **options)
        self.addCleanup(answer.connection.close)
        return answer

    def frames(self, process: Process, *lines: str, **options) -> list[str]:
        """A whole `once` answer without hi and welcome, its times taken out."""
        hi, welcome, *lines = self.ask(process, *lines, **options).rest()
        self.assertEqual(hi, "hi v=1 hello=1 beat=1000")
        self.assertRegex(welcome, r"^welcome has=sse,stream time=\d+ hold=25000 max=65536$")
        return [re.sub(r" t=-?\d+", "", line) for line in lines]

    def epoch(self, process: Process) -> str:
        return re.fullmatch(r"ok 1 at=(\w+):\d+", self.frames(process, "sub 1 chat")[0])[1]

    def test_poll_and_starts(self):
        process = self.start()
        process.publish("one", "two", "three")
        e = self.epoch(process)
        one, two, three = (f"e 1 {n} msg :{text}" for n, text in enumerate(["one", "two", "three"], 1))
        for start, expected in [
            ("", [f"ok 1 at={e}:3"]), ("now", [f"ok 1 at={e}:3"]), ("earliest", [f"ok 1 at={e}:0", one, two, three]),
            ("last=2", [f"ok 1 at={e}:1", two, three]), ("last=0", [f"ok 1 at={e}:3"]),
            ("last=9", [f"ok 1 at={e}:0", one, two, three]), ("since=60000", [f"ok 1 at={e}:0", one, two, three]),
            ("since=0", [f"ok 1 at={e}:3"]), (f"after={e}:2", [f"ok 1 at={e}:2", three]),
            (f"after={e}:3", [f"ok 1 at={e}:3"]), (f"after={e}:9", [f"ok 1 at={e}:9"]),
            ("now last=1", ["err 1 bad-start retry=never"]), ("last=1 since=9", ["err 1 bad-start retry=never"]),
            ("after=nothing", ["err 1 bad-start retry=never"]), ("last=-1", ["err 1 bad-start retry=never"]),
        ]:
            with self.subTest(start):
                self.assertEqual(self.frames(process, f"sub 1 chat {start}".rstrip()), expected)
        self.assertEqual(self.frames(process, "sub 4 chat last=1", "sub 7 other"),
                         [f"ok 4 at={e}:2", f"ok 7 at={e}:0", "e 4 3 msg :three"])

    def test_payloads(self):
        process = self.start()
        process.publish("", " :a b ", "nul\0", "grüß")
        body = self.ask(process, "sub 1 chat earliest").response.read()
        for part in [b" :\n", b" : :a b \n", b" #4\nnul\0\n", " :grüß\n".encode()]:
            self.assertIn(part, body)
        self.assertIn(b" =bnVsAA==\n", self.ask(process, "sub 1 chat earliest", Accept="text/event-stream").response.read())

    def test_limits_of_a_batch(self):
        process = self.start()
        process.publish(*["x" * 1000] * 20)
        first = self.frames(process, "sub 1 chat earliest", hello="mode=once batch=4096")
        self.assertEqual([line.split()[2] for line in first[1:]], ["1", "2", "3"])

    def test_long_poll_held_and_released(self):
        process = self.start()
        answer = self.ask(process, "sub 1 chat", hello="mode=once patience=10000")
        self.assertEqual([answer.line().split()[0] for _ in range(3)], ["hi", "welcome", "ok"])
        began = time.monotonic()
        self.assertEqual([answer.line(), answer.line()], ["beat", "beat"])
        self.assertLess(time.monotonic() - began, 2)
        process.publish("late")
        self.assertRegex(answer.line(), r"^e 1 1 msg t=\d+ :late$")
        self.assertEqual(answer.response.read(), b"")

    def test_long_poll_out_of_patience(self):
        process = self.start()
        began = time.monotonic()
        self.assertEqual(len(self.frames(process, "sub 1 chat", hello="mode=once patience=300")), 1)
        self.assertAlmostEqual(time.monotonic() - began, 0.3, delta=0.2)

    def test_keep_alive_and_resume(self):
        process = self.start()
        process.publish("one")
        first = self.ask(process, "sub 1 chat last=1")
        e = re.search(r"at=(\w+):0$", first.rest()[2])[1]
        process.publish("two")
        sock = first.connection.sock
        again = self.ask(process, f"sub 1 chat after={e}:1", connection=first.connection)
        self.assertEqual(re.sub(" t=-?[0-9]+", "", again.rest()[3]), "e 1 2 msg :two")
        self.assertIs(first.connection.sock, sock)

    def test_gap_after_restart(self):
        process = self.start()
        process.publish("one")
        e = self.epoch(process)
        self.assertEqual(process.stop(), 0)
        process = self.start(port=process.url.port)
        process.publish("new")
        other = self.epoch(process)
        self.assertNotEqual(e, other)
        self.assertEqual(self.frames(process, f"sub 1 chat after={e}:1", hello="mode=once patience=5000"),
                         [f"gap 1 from={e}:1 to={other}:0 why=epoch", "e 1 1 msg :new"])
        self.assertEqual(self.frames(process, f"sub 1 empty after={e}:1", hello="mode=once patience=5000"),
                         [f"gap 1 from={e}:1 to={other}:0 why=epoch"])

    def test_gap_trimmed(self):
        process = self.start("--keep", "2")
        process.publish("one", "two", "three", "four")
        e = self.epoch(process)
        kept = ["e 1 3 msg :three", "e 1 4 msg :four"]
        self.assertEqual(self.frames(process, f"sub 1 chat after={e}:1"), [f"gap 1 from={e}:1 to={e}:2 why=trimmed", *kept])
        self.assertEqual(self.frames(process, f"sub 1 chat after={e}:2"), [f"ok 1 at={e}:2", *kept])
        self.assertEqual(self.frames(process, "sub 1 chat last=3"), [f"ok 1 at={e}:2", *kept])

    def test_stream(self):
        process = self.start("--tick", "clock=20")
        answer = self.ask(process, "sub 1 clock earliest", "sub 2 chat", hello="mode=stream")
        self.assertEqual(answer.response.getheader("Content-Type"), "text/plain; charset=utf-8")
        self.assertEqual([answer.line().split()[0] for _ in range(4)], ["hi", "welcome", "ok", "ok"])
        for n in range(1, 11):
            self.assertRegex(answer.line(), rf'^e 1 {n} tick t=-?\d+ :{{"n":{n}}}$')
        process.publish("hello")
        while not (line := answer.line()).startswith("e 2 "):
            self.assertTrue(line.startswith("e 1 "))
        self.assertRegex(line, r"^e 2 1 msg t=\d+ :hello$")

    def test_sse(self):
        process = self.start()
        answer = self.ask(process, "sub 1 chat", hello="mode=stream", Accept="text/event-stream")
        self.assertEqual(answer.response.getheader("Content-Type"), "text/event-stream")
        self.assertEqual(answer.line(), "data: hi v=1 hello=1 beat=1000")
        self.assertEqual(answer.line(), "")
        lines = [answer.line() for _ in range(3)]
        self.assertRegex("\n".join(lines), r"^data: welcome .*\ndata: ok 1 .*\n$")
        process.publish("hello")
        self.assertRegex(answer.line(), r"^data: e 1 1 msg t=\d+ :hello$")
        self.assertEqual(answer.line(), "")
        self.assertEqual([answer.line(), answer.line()], ["data: beat", ""])

    def test_refused(self):
        process, good = self.start(), f"hello v=1 session={SESSION} mode=once\n".encode()
        for raw, code in [
            (b"", "malformed"), (b"\n", "malformed"), (b"beat\n" + good, "malformed"), (good + b"sub 1 a%zz\n", "malformed"),
            (good + b"sub 1\n", "malformed"), (good + b"sub x chat\n", "malformed"), (good + b"\xff\n", "malformed"),
            (good.replace(b"v=1 ", b""), "malformed"), (good.replace(b"v=1", b"v=0"), "version"),
            (good.replace(b"c2", b""), "malformed"), (good.replace(b"once", b"often"), "malformed"),
            (good.replace(b"mode", b"patience=soon mode"), "malformed"),
            (good + b"sub 1 " + b"x" * 5000 + b"\n", "too-large"), (good + b"pub 1 chat #1048577\n", "too-large"),
            (good + b"\n" * 65536, "too-large"),
        ]:
            with self.subTest(raw[:60]):
                lines = self.ask(process, raw=raw).rest()
                self.assertEqual(lines, ["hi v=1 hello=1 beat=1000", f"err - {code} retry=never"])
        self.assertEqual(self.frames(process, "sub 1 " + "x" * 256, "sub 2 chat")[0], "err 1 bad-channel retry=never")
        many = self.frames(process, *(f"sub {n} chat" for n in range(101)))
        self.assertEqual(many[100:], ["err 100 too-many retry=never"])
        self.assertEqual(self.ask(process, raw=b"", **{"Content-Length": str(1 << 21)}).response.status, 400)

    def test_unknown_is_ignored(self):
        process = self.start()
        raw = f"hello v=7 session={SESSION} mode=once x=y z\nfoo 1 :bar\n\r\nsub 1 chat now later q=1\r\nbeat\nbye".encode()
        self.assertEqual([line.split()[0] for line in self.ask(process, raw=raw).rest()], ["hi", "welcome", "ok"])

    def test_other_requests(self):
        process = self.start()
        connection = http.client.HTTPConnection(process.url.hostname, process.url.port, timeout=5)
        self.addCleanup(connection.close)
        connection.request("OPTIONS", process.url.path, headers={"Origin": "https://example.org"})
        response = connection.getresponse()
        self.assertEqual((response.status, response.read()), (204, b""))
        self.assertEqual(response.getheader("Access-Control-Allow-Methods"), "POST, GET")
        connection.request("GET", process.url.path)
        response = connection.getresponse()
        self.assertIn(b"Downlink", response.read())
        connection.request("POST", "/elsewhere", b"x")
        self.assertEqual(connection.getresponse().status, 400)
        answer = self.ask(process, Origin="https://example.org").response
        self.assertEqual([answer.getheader(name) for name in ("Access-Control-Allow-Origin", "Cache-Control",
                          "X-Accel-Buffering", "X-Content-Type-Options")], ["*", "no-store", "no", "nosniff"])

    def test_lost_clients_and_ctrl_c(self):
        process = self.start()
        for _ in range(10):
            with socket.create_connection((process.url.hostname, process.url.port)) as sock:
                body = f"hello v=1 session={SESSION} mode=stream\nsub 1 chat\n".encode()
                sock.sendall(b"POST /downlink HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
                self.assertTrue(sock.recv(100))
        process.publish("to", "nobody")
        self.assertEqual(len(self.frames(process, "sub 1 chat last=2")), 3)
        self.ask(process, "sub 1 chat", hello="mode=stream")
        self.assertEqual(process.stop(), 0)


if __name__ == "__main__":
    unittest.main()
