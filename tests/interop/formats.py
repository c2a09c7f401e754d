"""The message formats as schemas of `cerberus`, the validator of the Python releases, which so judges by itself what fits."""

from typing import Any

from cerberus import Validator

Schema = dict[str, Any]

UUID = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"
CLIENT_TOKEN = "^[0-9a-zA-Z-_]{255}$"

CONTAINER_RULES: dict[str, Schema] = {
    "container_uuid": {"type": "string", "regex": UUID},
    "client_token": {"type": "string", "regex": CLIENT_TOKEN},
    "container_iso_sha256": {"type": "string", "regex": "^[a-f0-9]{64}$"},
    "container_username": {"type": "string", "regex": "^user_[0-9]{5}$"},
    "container_password": {"type": "string", "regex": "^[a-zA-Z0-9]+$"},
    "container_listen_port": {"type": "integer", "min": 1, "max": 65535},
}
"""What a response says of a created container: all of it or nothing."""
CONTAINER_FIELDS = tuple(CONTAINER_RULES)

REQUEST_SCHEMA: Schema = {
    "verb": {"type": "string", "regex": "^[A-Z]{1,}$", "required": True},
    "parameters": {
        "type": "dict",
        "required": True,
        "schema": {
            "container_uuid": {"type": "string", "regex": UUID, "dependencies": ["client_token"]},
            "client_token": {"type": "string", "regex": CLIENT_TOKEN, "dependencies": ["container_uuid"]},
        },
    },
}

RESPONSE_SCHEMA: Schema = {
    "success": {"type": "boolean", "required": True},
    "message": {"type": "string", "required": True},
    "data": {
        "type": "dict",
        "required": True,
        "schema": {
            name: {**rule, "dependencies": [other for other in CONTAINER_FIELDS if other != name]}
            for name, rule in CONTAINER_RULES.items()
        }
        | {
            "uptime": {"type": "integer", "min": 0, "dependencies": ["version"]},
            "version": {"type": "string", "dependencies": ["uptime"]},
        },
    },
}

_request_validator = Validator(REQUEST_SCHEMA, allow_unknown=True)
_response_validator = Validator(RESPONSE_SCHEMA, allow_unknown=True)

Verdict = tuple[bool, dict[str, Any]]


def validate_request(request: dict[str, Any]) -> Verdict:
    """Whether `request` fits the format, and the tree of errors (empty if it does)."""
    return _judge(_request_validator, request)


def validate_response(response: dict[str, Any]) -> Verdict:
    """Whether `response` fits the format, and the tree of errors (empty if it does)."""
    return _judge(_response_validator, response)


def _judge(validator: Validator, message: dict[str, Any]) -> Verdict:
    valid = validator.validate(message)
    return valid, {key: _in_order(errors) for key, errors in sorted(validator.errors.items())}


def _in_order(errors: list[Any]) -> list[Any]:
    """Messages in alphabetical order, then the tree of an object's members: cerberus promises no order."""
    messages = sorted(error for error in errors if isinstance(error, str))
    trees = [{key: _in_order(nested) for key, nested in sorted(error.items())} for error in errors if not isinstance(error, str)]
    return [*messages, *trees]
