"""Ten orders a second from a process of its own, so that nobody else's work is measured; prints the seconds of each as a JSON list."""

import http.client
import json
import sys
import time

ORDER = {"instrument": "EUR_USD", "side": "BUY", "units": 1, "entry_price": 1.1655, "stop_loss_price": 1.16, "take_profit_price": 1.17}


def main(port: int, token: str, seconds: float) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    took = []
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        began = time.monotonic()
        connection.request("POST", "/brokers/oanda/orders", json.dumps(ORDER), headers)
        response = connection.getresponse()
        body = response.read()
        assert response.status == 201, body
        took.append(time.monotonic() - began)
        time.sleep(max(0.0, 0.1 - took[-1]))
    print(json.dumps(took))


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], float(sys.argv[3]))
