import unittest

from pydantic import ValidationError

from aob_schema import InvalidDocument, parse, parse_patch_request, parse_workflow
from aob_schema.models import Edge, HttpConfig, Node, Retry, Workflow
from aob_schema.nodes import KNOWN_TYPES, HttpNode


def workflow(*nodes):
    return {
        "apiVersion": "aob.dev/v1alpha1",
        "kind": "Workflow",
        "metadata": {"name": "w"},
        "spec": {"nodes": list(nodes)},
    }


class Reading(unittest.TestCase):
    def test_a_document_is_written_as_it_was_read(self):
        document = workflow({"id": "a", "type": "transform", "config": {"value": None}})
        self.assertEqual(parse_workflow(document).dump(), document)
        with_empties = workflow({"id": "a", "type": "noop", "config": {}, "labels": {}})
        self.assertEqual(parse_workflow(with_empties).dump(), with_empties)

    def test_findings_name_place_and_field(self):
        with self.assertRaises(InvalidDocument) as caught:
            parse_workflow(workflow({"id": "a", "type": "http", "config": {"uri": "x"}}))
        pointers = [finding.pointer for finding in caught.exception.findings]
        self.assertIn("/spec/nodes/0/config/url", pointers)
        self.assertIn("/spec/nodes/0/config/uri", pointers)

    def test_names_of_python_are_no_names_of_documents(self):
        with self.assertRaises(InvalidDocument):
            parse_workflow(workflow({"id": "a", "type": "noop", "on_error": "fail"}))
        with self.assertRaises(ValidationError):
            Workflow.model_validate(workflow({"id": "a", "type": "noop", "on_error": "fail"}))
        text = '{"from": "a", "to": "b", "from_": "c"}'
        with self.assertRaises(ValidationError):
            Edge.model_validate_json(text)

    def test_strings_are_no_numbers_and_null_is_not_absent(self):
        for retry in ({"attempts": "4"}, {"attempts": True}, {"attempts": 4, "backoff": None}):
            with self.assertRaises(ValidationError, msg=str(retry)):
                Retry.model_validate(retry)

    def test_two_and_a_fraction_of_nothing_is_two(self):
        self.assertEqual(Retry.model_validate({"attempts": 2.0}).attempts, 2)
        config = HttpConfig.model_validate({"url": "u", "expect": [200.0]})
        self.assertEqual(config.dump(), {"url": "u", "expect": [200]})
        with self.assertRaises(ValidationError):
            Retry.model_validate({"attempts": 2.5})

    def test_rules_between_fields(self):
        with self.assertRaises(ValidationError) as caught:
            HttpConfig.model_validate({"url": "https://example.com", "json": {}, "body": "a"})
        self.assertIn("do not stand beside each other", str(caught.exception))

    def test_a_patch_keeps_null(self):
        request = {"operations": [{"op": "add", "path": "/nodes/-", "value": None}]}
        self.assertEqual(parse_patch_request(request).dump(), request)
        absent = {"operations": [{"op": "remove", "path": "/nodes/a"}]}
        self.assertEqual(parse_patch_request(absent).dump(), absent)


class Views(unittest.TestCase):
    def test_a_known_node_has_its_config(self):
        node = Node(id="a", type="http", config={"url": "https://example.com"})
        match parse(node):
            case HttpNode(config=config):
                self.assertEqual(config.url, "https://example.com")
            case other:
                self.fail(str(other))

    def test_another_type_stays_a_node(self):
        node = Node(id="a", type="acme.enrich", config={"any": "thing"})
        self.assertIs(parse(node), node)

    def test_a_bad_config_is_refused(self):
        for kind in sorted(KNOWN_TYPES - {"noop"}):
            with self.assertRaises(InvalidDocument, msg=kind):
                parse(Node(id="a", type=kind))
        self.assertEqual(parse(Node(id="a", type="noop")).dump(), {"id": "a", "type": "noop"})

    def test_constructors_take_names_of_python(self):
        edge = Edge(from_="a", to="b")
        self.assertEqual(edge.dump(), {"from": "a", "to": "b"})


if __name__ == "__main__":
    unittest.main()
