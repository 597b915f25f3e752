"""A worker for tasks of the type `acme.double`: standard library only.

AOB_URL=http://127.0.0.1:8080 AOB_TOKEN=... python3 worker.py
"""
import json
import os
import threading
import time
import urllib.error
import urllib.request
from typing import Any, NoReturn, TypedDict

URL = os.environ.get("AOB_URL", "http://127.0.0.1:8080").rstrip("/") + "/api/v1/work/"
TYPES = ["acme.double"]
Task = TypedDict("Task", {"task": str, "fence": str, "key": str, "input": dict[str, int]})
held: dict[str, Task] = {}  # Tasks in hand, by name: they are kept by a heartbeat.


def work(task: Task) -> object:
    """What the type does. `key` is the same over all attempts: name effects outside by it."""
    return {"doubled": 2 * task["input"]["number"], "key": task["key"]}


def post(what: str, body: dict[str, Any]) -> Any:
    """Asks until there is an answer: whatever is asked twice counts once."""
    headers = {"content-type": "application/json"}
    if os.environ.get("AOB_TOKEN"):
        headers["authorization"] = "Bearer " + os.environ["AOB_TOKEN"]
    while True:
        request = urllib.request.Request(URL + what, json.dumps(body).encode(), headers)
        try:
            with urllib.request.urlopen(request, timeout=90) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            if error.code < 500 and error.code not in (408, 429):
                raise RuntimeError(error.read().decode()) from error
        except OSError:
            pass  # The gateway is away: it comes back, or another one takes its place.
        time.sleep(0.2)


def beat(lease: float) -> NoReturn:
    while True:
        time.sleep(lease / 3)
        names = list(held)
        for name, state in zip(names, post("heartbeat", {"tasks": names})["tasks"]):
            if state == "lost":
                held.pop(name, None)  # Another worker has it: no answer counts.


lease = post("claim", {"types": TYPES, "max": 1, "wait": "0s"})["lease"]
threading.Thread(target=beat, args=(lease,), daemon=True).start()
while True:
    for task in post("claim", {"types": TYPES, "max": 1, "wait": "30s"})["tasks"]:
        name, held[task["task"]] = {"task": task["task"], "fence": task["fence"]}, task
        try:
            post("complete", name | {"output": work(task)})
        except Exception as error:
            post("fail", name | {"error": {"code": "worker", "message": str(error)}, "retryable": True})
        held.pop(task["task"], None)
