#!/usr/bin/env python3
"""A small Downlink server: poll, long-poll, HTTP streaming, SSE. The sections named are those of docs/protocol.md."""
import argparse, binascii, collections, contextlib, io, itertools, math, re, secrets, sys, threading, time, traceback
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple
from urllib.parse import quote, unquote_to_bytes

MAX_LINE, MAX_PAYLOAD, MAX_REQUEST, MAX_SUBS = 4096, 1 << 20, 65536, 100
HOLD, BATCH_BYTES, BATCH_FRAMES = 25000, 65536, 512
NUMBER = "[0-9]{1,15}"
HELLO = {"v": NUMBER, "session": "[A-Za-z0-9_-]{22}", "mode": "once|stream", "patience": NUMBER, "batch": NUMBER}
is_number = re.compile(NUMBER).fullmatch
clock = lambda: time.time_ns() // 1_000_000

# Frames: section 3
WORD, VALUE = (rf"(?:[^\x00-\x20\x7f%{but}]|%[0-9A-Fa-f]{{2}})" for but in ("=", ""))
TOKEN = rf" (?![:#=])(?:[a-z][a-z0-9-]*={VALUE}*|{WORD}+)"
LINE = re.compile(rf"([a-z]{{1,16}})((?:{TOKEN})*)(?: :(.*)| =(.*)| #([0-9]{{1,16}}))?", re.DOTALL)

Frame = NamedTuple("Frame", [("verb", str), ("words", list[str]), ("fields", dict[str, str]), ("data", bytes)])

def parse(body: bytes) -> tuple[list[Frame], str | None]:
    """The frames of a body, and the fault behind them: None, "malformed" or "too-large"."""
    frames, stream = [], io.BytesIO(body)
    try:
        for line in filter(None, (line.removesuffix(b"\n").removesuffix(b"\r") for line in stream)):
            if len(re.split(b" [:#=]", line, maxsplit=1)[0]) > MAX_LINE:
                return frames, "too-large"
            if not (match := LINE.fullmatch(line.decode())):
                return frames, "malformed"
            verb, tokens, text, base64, length = match.groups("")
            data = text.encode() or binascii.a2b_base64(base64, strict_mode=True)
            if max(int(length or 0), len(data)) > MAX_PAYLOAD:
                return frames, "too-large"
            if length:
                data = stream.read(int(length))
                stream.read(1).index(b"\n")  # a ValueError if it is not there
            pairs = [token.partition("=") for token in tokens.split(" ")[1:]]
            words = [unquote_to_bytes(word).decode() for word, equals, _ in pairs if not equals]
            fields = {key: unquote_to_bytes(value).decode() for key, equals, value in pairs if equals}
            frames.append(Frame(verb, words, fields, data))
    except ValueError:  # bad UTF-8 or base64
        return frames, "malformed"
    return frames, None

def event(n: str, seq: int, name: str, t: int, data: bytes, sse: bool) -> bytes:
    head = f"e {n} {seq} {quote(name, safe='') or '-'} t={t}".encode()
    if data.decode(errors="ignore").encode() == data and not re.search(b"[\r\n\0]", data):
        return head + b" :" + data
    return head + (b" =" + binascii.b2a_base64(data, newline=False) if sse else b" #%d\n%b" % (len(data), data))

# Channels: sections 5 and 6
class Hub:
    """All channels. They end with the process, so each process is an epoch."""
    def __init__(self, keep: int) -> None:
        self.keep, self.epoch, self.logs, self.changed = keep, secrets.token_hex(5), {}, threading.Condition()

    def publish(self, channel: str, name: str, payload: bytes) -> None:
        with self.changed:
            log = self.logs.setdefault(channel, collections.deque(maxlen=self.keep))
            log.append((log[-1][0] + 1 if log else 1, clock(), name, payload))
            self.changed.notify_all()

    def log(self, channel: str) -> tuple[collections.deque, int, int]:
        """The events kept, the seq before the first of them, and the seq of the last."""
        log = self.logs.get(channel, collections.deque())
        return log, log[0][0] - 1 if log else 0, log[-1][0] if log else 0

    def start(self, sub: Frame, subs: dict[str, tuple[str, int]]) -> bytes:
        """Enter a subscription into `subs` (N: channel and seq behind which it goes on) and return the answer."""
        n, channel, *words = sub.words
        said = {k: sub.fields[k] for k in ("after", "last", "since") if k in sub.fields} | dict.fromkeys(words[:1], "")
        start, value = (said or {"now": ""}).popitem() if len(said) < 2 else ("", "")
        position, why = re.fullmatch(f"([A-Za-z0-9_-]{{1,32}}):({NUMBER})", value), ""
        log, oldest, at = self.log(channel)
        if len(channel.encode()) > 255 or len(subs) == MAX_SUBS:
            return f"err {n} {'bad-channel' if len(subs) < MAX_SUBS else 'too-many'} retry=never".encode()
        if start == "earliest":
            at = oldest
        elif start == "last" and is_number(value):
            at = max(oldest, at - int(value))
        elif start == "since" and is_number(value):
            at = next((seq - 1 for seq, when, _, _ in log if when >= clock() - int(value)), at)
        elif start == "after" and position:
            why = "epoch" if position[1] != self.epoch else "trimmed" if int(position[2]) < oldest else ""
            at = oldest if why else int(position[2])
        elif start != "now":
            return f"err {n} bad-start retry=never".encode()
        subs[n], to = (channel, at), f"{self.epoch}:{at}"
        return (f"gap {n} from={value} to={to} why={why}" if why else f"ok {n} at={to}").encode()

    def batch(self, subs: dict[str, tuple[str, int]], welcome: int, room: int, sse: bool) -> list[bytes]:
        """The next events of all subscriptions, which move on; none if there are none."""
        frames: list[bytes] = []
        for n, (channel, at) in list(subs.items()):
            log, oldest, _ = self.log(channel)
            if at < oldest:
                frames.append(f"gap {n} from={self.epoch}:{at} to={self.epoch}:{oldest} why=slow".encode())
                subs[n] = channel, oldest
            for seq, when, name, data in itertools.islice(log, max(at - oldest, 0), None):
                line = event(n, seq, name, when - welcome, data, sse)
                room -= len(line) + 7
                if frames and room < 0 or len(frames) >= BATCH_FRAMES:
                    break
                frames.append(line)
                subs[n] = subs.pop(n) and (channel, seq)  # at the end of the row: no channel starves another
        return frames

# HTTP: sections 4, 6, 8 and 10
class Handler(BaseHTTPRequestHandler):
    protocol_version, timeout, disable_nagle_algorithm = "HTTP/1.1", 30, True

    def head(self, status: int, **more: str) -> None:
        self.send_response_only(status)
        common = {"Cache_Control": "no-store", "X_Accel_Buffering": "no", "X_Content_Type_Options": "nosniff"}
        for name, value in {**common, "Access_Control_Allow_Origin": "*", **more}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def do_OPTIONS(self) -> None:
        self.head(204, Access_Control_Allow_Methods="POST, GET", Access_Control_Max_Age="86400",
                  Access_Control_Allow_Headers="Content-Type, Authorization")

    def do_GET(self, status: int = 200) -> None:
        text = f"This is a Downlink server. Its clients POST to {self.server.path}\n".encode()
        self.head(status, Content_Type="text/plain; charset=utf-8", Content_Length=str(len(text)))
        self.wfile.write(text)

    def do_POST(self) -> None:
        size = self.headers.get("Content-Length", "" if "Transfer-Encoding" in self.headers else "0")
        if self.path.partition("?")[0] != self.server.path or not is_number(size) or int(size) > 16 * MAX_REQUEST:
            self.close_connection = True  # the body is still in the way
            return self.do_GET(400)
        body, self.sse = self.rfile.read(int(size)), "text/event-stream" in self.headers.get("Accept", "")
        kind = "text/event-stream" if self.sse else "text/plain; charset=utf-8"
        self.head(200, Content_Type=kind, Transfer_Encoding="chunked")
        self.send(b"hi v=1 hello=1 beat=%d" % self.server.beat)
        self.answer(*parse(body) if len(body) <= MAX_REQUEST else ([], "too-large"))
        self.wfile.write(b"0\r\n\r\n")

    def send(self, *frames: bytes) -> None:
        data = b"".join(b"data: " * self.sse + frame + b"\n" for frame in frames) + b"\n" * self.sse
        self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))
        self.sent = time.monotonic()

    def answer(self, frames: list[Frame], fault: str | None) -> None:
        hello, asked = (frames or [Frame("none", [], {}, b"")])[0], [f for f in frames if f.verb == "sub"]
        ask = {"patience": "0", "batch": str(BATCH_BYTES), **hello.fields}
        good = (hello.verb == "hello" and all(re.fullmatch(form, ask.get(key, "")) for key, form in HELLO.items())
                and all(len(sub.words) > 1 and is_number(sub.words[0]) for sub in asked))
        if fault or not good or int(ask["v"]) < 1:
            return self.send(f"err - {fault or ('version' if good else 'malformed')} retry=never".encode())
        hub, subs, once, welcome = self.server.hub, {}, ask["mode"] == "once", clock()
        with hub.changed:
            replies = [hub.start(sub, subs) for sub in asked]
        self.send(b"welcome has=sse,stream time=%d hold=%d max=%d" % (welcome, HOLD, MAX_REQUEST), *replies)
        patience = min(int(ask["patience"]), HOLD) if all(reply.startswith(b"ok") for reply in replies) else 0
        end = time.monotonic() + patience / 1000 if once else math.inf
        while True:
            with hub.changed:
                batch = hub.batch(subs, welcome, min(BATCH_BYTES, int(ask["batch"])), self.sse)
                wait = min(end, self.sent + 0.0008 * self.server.beat) - time.monotonic()
                if not batch and wait > 0 and hub.changed.wait(wait):
                    continue
            if once and (batch or time.monotonic() >= end):
                return self.send(*batch) if batch else None
            self.send(*batch or [b"beat"])

def publish_lines(hub: Hub, channel: str) -> None:
    for line in open(0, "rb", closefd=False):  # sys.stdin would be in the way of Ctrl-C
        hub.publish(channel, "msg", line.rstrip(b"\r\n")[:MAX_PAYLOAD])

def publish_ticks(hub: Hub, channel: str, rate: str) -> None:
    for n, start in enumerate(itertools.repeat(time.monotonic()), 1):
        time.sleep(max(0, start + n / float(rate) - time.monotonic()))
        hub.publish(channel, "tick", b'{"n":%d}' % n)

def main() -> None:
    option = (parser := argparse.ArgumentParser(description="a small Downlink server")).add_argument
    option("--listen", default="127.0.0.1:8080", metavar="HOST:PORT")
    option("--path", default="/downlink")
    option("--keep", type=int, default=1000, metavar="N", help="events kept for each channel")
    option("--beat", type=int, default=5000, metavar="MS", help="at least one frame in so many milliseconds")
    option("--stdin", metavar="CHANNEL", help="publish each line of standard input")
    option("--tick", action="append", default=[], metavar="CHANNEL=RATE", help="publish RATE events a second")
    args = parser.parse_args()
    host, _, port = args.listen.rpartition(":")
    ThreadingHTTPServer.request_queue_size = 128
    server = ThreadingHTTPServer((host, int(port)), Handler)
    server.path, server.beat, server.hub = args.path, args.beat, Hub(args.keep)
    server.handle_error = lambda *_: isinstance(sys.exception(), OSError) or traceback.print_exc()  # a lost client
    sources = [(publish_ticks, *tick.rsplit("=", 1)) for tick in args.tick]
    for work, *values in sources + [(publish_lines, args.stdin)] * bool(args.stdin):
        threading.Thread(target=work, args=(server.hub, *values), daemon=True).start()
    print(f"http://{host}:{server.server_port}{args.path}", flush=True)
    with contextlib.suppress(KeyboardInterrupt), server:
        server.serve_forever()

if __name__ == "__main__":
    main()
