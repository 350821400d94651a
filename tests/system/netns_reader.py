"""An event stream read from inside a network namespace, resumed after every break; prints one JSON line a frame. Run as a program of its own."""

import http.client
import json
import sys
import time


def main(host: str, port: int, server_name: str) -> None:
    last_id = ""
    while True:
        connection = http.client.HTTPConnection(host, port, timeout=3)  # a silence of three seconds is a broken line here
        try:
            connection.putrequest("GET", "/events" if last_id else "/events?replay=0", skip_host=True)
            connection.putheader("Host", server_name)
            if last_id:
                connection.putheader("Last-Event-ID", last_id)
            connection.endheaders()
            response = connection.getresponse()
            say({"connected": response.status})
            last_id = read(response, last_id)
        except (OSError, http.client.HTTPException):
            time.sleep(0.1)
        finally:
            connection.close()


def read(response: http.client.HTTPResponse, last_id: str) -> str:
    frame: dict[str, str] = {}
    try:
        while line := response.readline():
            text = line.decode().rstrip("\r\n")
            if text:
                name, _, value = text.partition(":")
                frame[name] = value.strip()
            elif frame:
                last_id = frame.get("id", last_id)
                if "data" in frame:
                    say({"event": frame.get("event"), "data": json.loads(frame["data"])})
                frame = {}
    except OSError:
        pass
    return last_id


def say(value: object) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
