"""Load over keep-alive connections: HEAD, DELETE or PUT, each request once, the answers checked.

A request is bytes made beforehand, an answer is read to the end of its head (these answers have no body, or one of the
length they announce). One process, one epoll: about 20 microseconds of client CPU a request, so that two cores measure the
server. wrk cannot do this: it waits for a body after HEAD, and asks for each key again and again.
"""
import select
import socket
import time


class Answers:
    """One connection: what was asked, what came."""
    __slots__ = ("sock", "data", "started", "out")

    def __init__(self, host, port):
        self.sock = socket.create_connection((host, port))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.setblocking(False)
        self.data, self.started, self.out = b"", 0.0, b""


def whole(data, head_only):
    """Length of the first answer in `data`, and its status; None when it has not all come."""
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return None
    status = int(data[9:12])
    if head_only or status in (204, 304):
        return end + 4, status
    low = data[:end].lower()
    at = low.find(b"\r\ncontent-length:")
    if at < 0:
        raise RuntimeError(f"an answer without a length: {data[:200]!r}")
    stop = low.find(b"\r\n", at + 2)
    length = int(low[at + 17:stop if stop > 0 else len(low)])
    return (end + 4 + length, status) if len(data) >= end + 4 + length else None


def drive(host, port, requests, connections, seconds, good, head_only=False, patience=30):
    """Sends `requests` (an iterator of bytes) over `connections` connections until it ends or `seconds` are over.
    A server that answers nobody for `patience` seconds is given up. Gives the number answered, those whose status is not in `good`, the
    time it took and the sorted latencies in seconds."""
    poll = select.epoll()
    open_ones, latencies, bad, done = {}, [], 0, 0
    source, end = iter(requests), time.monotonic() + seconds

    def send(one):
        request = next(source, None) if time.monotonic() < end else None
        if request is None:
            poll.unregister(one.sock)
            one.sock.close()
            del open_ones[one.fd]
            return
        one.started = time.monotonic()
        sent = one.sock.send(request)
        one.out = request[sent:]
        if one.out:
            poll.modify(one.fd, select.EPOLLIN | select.EPOLLOUT)

    class Open(Answers):
        __slots__ = ("fd",)

    begin = time.monotonic()
    for _ in range(connections):
        one = Open(host, port)
        one.fd = one.sock.fileno()
        open_ones[one.fd] = one
        poll.register(one.fd, select.EPOLLIN)
    for one in list(open_ones.values()):
        send(one)
    while open_ones:
        events = poll.poll(patience)
        if not events:
            raise RuntimeError(f"no answer in {patience} s")
        for fd, what in events:
            one = open_ones.get(fd)
            if one is None:
                continue
            if what & select.EPOLLOUT and one.out:
                one.out = one.out[one.sock.send(one.out):]
                if not one.out:
                    poll.modify(fd, select.EPOLLIN)
            if not what & ~select.EPOLLOUT:
                continue
            chunk = one.sock.recv(65536)
            if not chunk:
                raise RuntimeError("the server closed a connection")
            one.data += chunk
            answer = whole(one.data, head_only)
            if answer is None:
                continue
            length, status = answer
            one.data = one.data[length:]
            latencies.append(time.monotonic() - one.started)
            done += 1
            bad += status not in good
            send(one)
    latencies.sort()
    return done, bad, time.monotonic() - begin, latencies
