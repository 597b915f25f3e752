"""Puts documents to an API server as `kubectl create --dry-run=server` does, and prints its verdicts.

Standard input: {"url": ..., "token": ..., "documents": {name: {"path": ..., "object": ...}}}.
Standard output: {name: {"schema": [what was said], "config": [], "kept": the object's spec}}.
"""

import http.client
import json
import ssl
import sys
import urllib.parse

asked = json.load(sys.stdin)
url = urllib.parse.urlsplit(asked["url"])
# Its certificate is of this minute, and nobody else is on this address.
server = http.client.HTTPSConnection(url.hostname, url.port, context=ssl._create_unverified_context(), timeout=60)
headers = {"Authorization": "Bearer " + asked["token"], "Content-Type": "application/json"}
verdicts = {}
for name, document in asked["documents"].items():
    path = document["path"] + "?dryRun=All&fieldValidation=Strict"
    server.request("POST", path, json.dumps(document["object"]), headers)
    answer = server.getresponse()
    body = json.loads(answer.read())
    if answer.status == 201:
        verdicts[name] = {"schema": [], "config": [], "kept": body.get("spec")}
    elif answer.status in (400, 422):
        verdicts[name] = {"schema": [body["message"]], "config": []}
    else:
        sys.exit(f"{name}: {answer.status} {body}")
json.dump(verdicts, sys.stdout)
