"""Reads metrics on standard input with Prometheus's own parser and prints them as JSON: name -> type, help, samples."""

import json
import sys

from prometheus_client.parser import text_string_to_metric_families

families = {}
for family in text_string_to_metric_families(sys.stdin.read()):
    # The parser drops the ending of a counter's name.
    name = family.name + "_total" if family.type == "counter" else family.name
    assert name not in families, f"{name} is there twice"
    families[name] = {
        "type": family.type,
        "help": family.documentation,
        "samples": [[one.name, one.labels, one.value] for one in family.samples],
    }
print(json.dumps(families))
