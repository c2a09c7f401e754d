"""The cases for the library's validator: that they are what the generator makes, and that they leave no rule out."""

import json
import unittest
from pathlib import Path
from typing import Any

from formats import REQUEST_SCHEMA, RESPONSE_SCHEMA, Schema, validate_request, validate_response
from validator_cases import DEFAULT_COUNT, DEFAULT_SEED, cases

COMMITTED = Path(__file__).resolve().parent.parent / "fixtures" / "validator-cases.jsonl"
EXPECTED_ERRORS = {
    "type": "must be of {} type",
    "regex": "value does not match regex '{}'",
    "min": "min value is {}",
    "max": "max value is {}",
}


def errors_seen(tree: dict[str, Any]) -> set[tuple[str, str]]:
    """Every field with every message that the tree has for it."""
    seen = set()
    for field, errors in tree.items():
        for error in errors:
            seen |= {(field, error)} if isinstance(error, str) else errors_seen(error)
    return seen


def errors_possible(schema: Schema) -> set[tuple[str, str]]:
    """Every message that a rule of the schema can give."""
    possible = set()
    for field, rules in schema.items():
        possible.add((field, "null value not allowed"))
        for rule, constraint in rules.items():
            match rule:
                case "required":
                    possible.add((field, "required field"))
                case "dependencies":
                    possible |= {(field, f"field '{other}' is required") for other in constraint}
                case "schema":
                    possible |= errors_possible(constraint)
                case _:
                    possible.add((field, EXPECTED_ERRORS[rule].format(constraint)))
    return possible


class ValidatorCases(unittest.TestCase):
    def setUp(self) -> None:
        self.cases = [json.loads(line) for line in COMMITTED.read_text(encoding="utf-8").splitlines()]

    def test_committed_cases_are_what_the_generator_makes(self) -> None:
        made = list(cases(DEFAULT_SEED, DEFAULT_COUNT))
        # Not assertEqual, whose account of two long lists is longer still.
        self.assertTrue(self.cases == made, "write the cases anew: python validator_cases.py > ../fixtures/validator-cases.jsonl")

    def test_every_message_of_every_rule_is_there(self) -> None:
        for kind, schema in (("request", REQUEST_SCHEMA), ("response", RESPONSE_SCHEMA)):
            with self.subTest(kind=kind):
                seen = set()
                for case in self.cases:
                    if case["kind"] == kind and case["errors"]:
                        seen |= errors_seen(case["errors"])
                self.assertEqual(seen, errors_possible(schema))

    def test_both_verdicts_are_common(self) -> None:
        for kind, valid in ((kind, valid) for kind in ("request", "response") for valid in (True, False)):
            with self.subTest(kind=kind, valid=valid):
                number = sum(case["kind"] == kind and case["valid"] is valid for case in self.cases)
                self.assertGreaterEqual(number, len(self.cases) // 10)


class Formats(unittest.TestCase):
    """A few verdicts known without cerberus, lest a slip in the schemas goes unseen."""

    def test_examples(self) -> None:
        uuid = "8f4c2f0a-6d5b-4d5e-9a55-0c5be1d5a6f7"
        self.assertEqual(validate_request({"verb": "STAT", "parameters": {}}), (True, {}))
        self.assertEqual(
            validate_request({"verb": "DESTROY", "parameters": {"container_uuid": uuid, "client_token": "-_" * 127 + "x"}}),
            (True, {}),
        )
        self.assertEqual(
            validate_request({"parameters": {"container_uuid": uuid}}),
            (False, {"parameters": [{"container_uuid": ["field 'client_token' is required"]}], "verb": ["required field"]}),
        )
        self.assertEqual(validate_response({"success": True, "message": "OK", "data": {"uptime": 0, "version": ""}}), (True, {}))
        self.assertEqual(
            validate_response({"success": 1, "message": None, "data": {"uptime": -1}}),
            (
                False,
                {
                    "data": [{"uptime": ["field 'version' is required", "min value is 0"]}],
                    "message": ["null value not allowed"],
                    "success": ["must be of boolean type"],
                },
            ),
        )


if __name__ == "__main__":
    unittest.main()
