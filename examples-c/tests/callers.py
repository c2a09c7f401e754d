#!/usr/bin/env python3
"""Writes the exported functions down as a table in C (callers.h), from what anwdl.h says of them.

What a parameter may be is read from its documentation there: as the header says under "Arguments", NULL is refused
where that does not allow it. So the table has every function, and a new one is in it as soon as it is in the header.
What a function does not describe itself is described by the one that it works as: "as anwdl_X()".
"""

import re
import sys
from dataclasses import dataclass, field

CALLBACKS = {"anwdl_log_function_t": "function", "anwdl_log_handler_t": "handler",
             "anwdl_private_operation_t": "operation", "anwdl_free_function_t": "free_function"}
RETURNS = {"anwdl_status_t": "RETURNS_STATUS", "void": "RETURNS_NOTHING"}
OBJECT = re.compile(r"(?:const )?(anwdl_\w+_t) \*")
MODEL = re.compile(r"\b[Aa]s (anwdl_\w+)\(\)")
OUTPUT = re.compile(r"(?:const )?(\w+) \*\*|(size_t|int64_t|bool|double) \*")


@dataclass
class Parameter:
    name: str
    type: str
    text: str  # its documentation
    owner: str  # its function

    def __post_init__(self):
        self.base, self.last, self.condition = "", -1, None
        self.null = "NULL_REFUSED"
        self.is_pointer = self.type.endswith("*") or self.type in CALLBACKS
        if self.is_pointer:
            self.read_null()

    def read_null(self):
        condition = re.search(r"NULL is fine if (\w+) is (\w+)", self.text)
        if condition:
            self.condition = (condition[1], {"true": 1, "0": 0}[condition[2]])
        elif re.search(r"NULL is fine|may be NULL|\bNULL (\(the default\) )?(for|to) ", self.text):
            self.null = "NULL_ALLOWED"

    def can_be_invalid(self):
        if self.type.startswith("anwdl_") and not self.is_pointer:
            return "Any number" not in self.text
        return self.is_pointer and (self.null == "NULL_REFUSED" or self.type == "const char *")

    def kind(self, enums):
        if self.type in enums:
            self.last = max(enums[self.type])
            return "ENUM"
        if self.type in CALLBACKS:
            return "CALLBACK"
        if self.type == "void *":
            return "ANYTHING"
        if self.type == "anwdl_value_t":
            return "VALUE"
        if self.type == "int" and self.name == "fd":
            return "DESCRIPTOR"
        if match := OUTPUT.fullmatch(self.type):
            self.base = match[1] or match[2]
            if self.type.startswith("const"):
                self.base = ""  # borrowed
            return "OUTPUT"
        if match := OBJECT.fullmatch(self.type):
            self.base = match[1]
            return "OBJECT"
        known = {"const char *": "TEXT", "const uint8_t *": "BYTES", "char *": "OWNED", "uint8_t *": "OWNED",
                 "bool": "BOOLEAN"}
        if self.type in known:
            return known[self.type]
        if self.type in ("size_t", "uint16_t", "uint32_t", "uint64_t", "int64_t", "double"):
            return "NUMBER"
        sys.exit(f"{self.owner}: nobody knows what to pass for {self.type} {self.name}")


@dataclass
class Function:
    name: str
    type: str
    declared: list
    texts: dict
    documentation: str
    parameters: list = field(default_factory=list)
    reasons: set = field(default_factory=set)
    statuses: set = field(default_factory=set)

    def with_models(self, functions):
        """Itself, and the functions that it works as, the nearest first."""
        found = [self]
        for function in found:
            found += [functions[name] for name in MODEL.findall(function.documentation) if functions[name] not in found]
        return found

    def outcomes(self, functions):
        """What is said of its result."""
        said = ("".join(function.documentation.partition("@ret")[1:]) for function in self.with_models(functions))
        return next(filter(None, said), "") if self.type != "void" else ""

    def text_of(self, name, functions):
        """What is said of a parameter."""
        said = (function.texts.get(name) for function in self.with_models(functions))
        return next((text for text in said if text is not None), None)

    def describe(self, functions):
        """Makes its parameters of their names and types."""
        for at, (kind, name) in enumerate(self.declared):
            text = self.text_of(name, functions)
            own = OBJECT.fullmatch(kind)
            if at == 0 and own and self.name.startswith(own[1].removesuffix("t")):
                text = text or ("NULL is fine." if self.name.endswith("_free") else "")
            if text is None and kind == "anwdl_value_t":
                text = ""
            if text is None:
                sys.exit(f"{self.name}: nothing is said of {name}")
            self.parameters.append(Parameter(name, kind, text, self.name))

    def document(self, functions, of_operations, of_no_session):
        """The outcomes that are documented; those of other functions and of operations, where it refers to them."""
        outcomes = self.outcomes(functions)
        if re.search(r"ANWDL_ROLE_\w+ only", self.documentation):
            self.reasons.add("ANWDL_REASON_WRONG_ROLE")
        references = re.findall(r"(?:those of|As)((?:(?:,| and)? anwdl_\w+\(\))+)", outcomes)
        referred = re.findall(r"anwdl_\w+", " ".join(references))
        self.reasons |= set(re.findall(r"ANWDL_REASON_\w+", outcomes))
        if "every operation" in outcomes:
            self.reasons |= of_operations
        if self.type != "void" and any(parameter.can_be_invalid() for parameter in self.parameters):
            self.reasons.add("ANWDL_REASON_INVALID_ARGUMENT")
        self.statuses |= set(re.findall(r"ANWDL_(?:OK|WANT_\w+)", outcomes))
        if self.type == "anwdl_status_t":
            self.statuses.add("ANWDL_OK")
        for name in referred:
            other = functions[name].document(functions, of_operations, of_no_session)
            self.reasons |= other.reasons
            self.statuses |= other.statuses
        if self.name.startswith("anwdl_session_"):
            self.reasons -= of_no_session
        return self


def words(comment):
    return " ".join(line.strip(" *") for line in comment.splitlines())


def read(header):
    enums = {match[2]: [int(number) for number in re.findall(r" = (-?\d+),?\n", match[1])]
             for match in re.finditer(r"typedef enum \w+ \{(.*?\n)\} (\w+);", header, re.DOTALL)}
    functions = {}
    paragraph = re.search(r"@par Operations\n(.*?)\n \*\n", header, re.DOTALL)[1]
    of_operations = [set(re.findall(r"ANWDL_REASON_\w+", text)) for text in paragraph.split("A session has no descriptor")]
    declarations = header[header.index('extern "C" {'):]
    pattern = r"/\*\*((?:(?!\*/).)*)\*/\n(?:ANWDL_[^\n]*\n)*([a-z]\w*(?: \w+)?[ *]+)(anwdl_\w+)\(([^;]*)\);"
    for comment, returned, name, parameters in re.findall(pattern, declarations, re.DOTALL):
        texts = dict(re.findall(r"@param (\w+) ((?:(?!@|\* *\n).)*)", comment, re.DOTALL))
        declared = [re.fullmatch(r"\s*(.*?)\s*(\w+)", parameter).groups()
                    for parameter in words(parameters).split(",") if parameter.strip() != "void"]
        functions[name] = Function(name, returned.strip(), declared,
                                   {parameter: words(text) for parameter, text in texts.items()}, words(comment))
    for function in functions.values():
        function.describe(functions)
    for function in functions.values():
        function.document(functions, *of_operations)
    return enums, functions


def c_of(number, function, functions, enums):
    """One function: its parameters, and a way to call it."""
    rows, arguments = [], []
    names = [parameter.name for parameter in function.parameters]
    for at, parameter in enumerate(function.parameters):
        kind = parameter.kind(enums)
        condition, value = parameter.condition or (None, 0)
        rows.append("    {" + ", ".join([
            f'"{parameter.name}"', f"KIND_{kind}", f'"{parameter.base}"', parameter.null,
            str(names.index(condition) if condition else -1), str(value), str(parameter.last),
            "true" if "need not be UTF-8" in parameter.text or "Any number" in parameter.text else "false"]) + "},")
        if kind == "CALLBACK":
            arguments.append(f"values[{at}].{CALLBACKS[parameter.type]}")
        elif kind == "VALUE":
            arguments.append(f"value_of(&values[{at}])")
        elif parameter.is_pointer:
            arguments.append(f"values[{at}].pointer")
        else:
            arguments.append(f"({parameter.type})values[{at}].number")
    call = f"{function.name}({', '.join(arguments)})"
    if function.type == "anwdl_value_t":
        call += ".owner"
    is_pointer = function.type.endswith("*") or function.type == "anwdl_value_t"
    target = "out->status = " if function.type == "anwdl_status_t" else ""
    if not target and function.type != "void":
        target = "out->pointer = " if is_pointer else "out->number = (long long)"
    parameters = f"PARAMETERS_{number}" if rows else "NULL"
    returns = RETURNS.get(function.type) or ("RETURNS_POINTER" if is_pointer else "RETURNS_NUMBER")
    # What it returns if it fails.
    fallback = -1 if function.type == "int" and "errno" not in function.name else 0
    if re.search(r"[Nn]ever NULL", function.outcomes(functions)):
        fallback = 1
    reasons = " | ".join(f"REASON_BIT({reason})" for reason in sorted(function.reasons)) or "0"
    statuses = " | ".join(f"(1u << {status})" for status in sorted(function.statuses)) or "0"
    code = [f"static const parameter_t PARAMETERS_{number}[] = {{", *rows, "};"] if rows else []
    code += [f"static void call_{number}(const value_t *values, outcome_t *out) {{", "    (void)values;",
             "    (void)out;", f"    {target}{call};", "}", ""]
    row = (f'    {{"{function.name}", {returns}, {fallback}, {parameters}, {len(rows)}, call_{number},\n'
           f"     {reasons},\n     {statuses}}},")
    return "\n".join(code), row


def main():
    with open(sys.argv[1], encoding="utf-8") as header:
        text = header.read()
    enums, functions = read(text)
    declared = set(re.findall(r"\b(anwdl_\w+)\(", re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)))
    if declared != set(functions):
        sys.exit(f"not understood: {', '.join(sorted(declared ^ set(functions)))}")
    codes, rows = zip(*(c_of(number, function, functions, enums) for number, function in enumerate(functions.values())))
    with open(sys.argv[2], "w", encoding="utf-8") as table:
        table.write("/* Made by callers.py from anwdl.h. */\n#include \"callers.h\"\n\n" + "\n".join(codes)
                    + "\nconst function_t FUNCTIONS[] = {\n" + "\n".join(rows)
                    + f"\n}};\nconst size_t FUNCTION_COUNT = {len(rows)};\n")


if __name__ == "__main__":
    main()
