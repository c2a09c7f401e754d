#!/usr/bin/env python3
"""An Anweddol server on cffi: answers STAT, refuses every other verb. Each client has its own thread."""

import os
import re
import socket
import sys
import threading
import time
from pathlib import Path

from cffi import FFI

header = Path(os.environ.get("ANWDL_HEADER", "/usr/local/include/anwdl.h")).read_text(encoding="utf-8")
declarations = re.sub(r"/\*.*?\*/", "", header, flags=re.DOTALL)
texts = {name: text.encode() for name, text in re.findall(r'^#define (ANWDL_\w+) "(.*)"$', declarations, re.MULTILINE)}
# cffi reads C, but knows no preprocessor.
declarations = re.sub(r"^#ifdef __cplusplus.*?^#endif", "", declarations, flags=re.DOTALL | re.MULTILINE)
declarations = re.sub(r"^#(?:.*\\\n)*.*$|ANWDL_(?:MUST_USE|INT_ENUM)|ANWDL_(?:DEPRECATED|DEALLOC)\(.*?\)", "", declarations, flags=re.MULTILINE)
ffi = FFI()
ffi.cdef(declarations)
anwdl = ffi.dlopen("libanwdl.so.0")

STATISTICS = b'{"uptime": 60, "version": "1.0.0"}'


def check(status: int) -> None:
    if status != anwdl.ANWDL_OK:
        raise RuntimeError(ffi.string(anwdl.anwdl_last_error_message()).decode())


def answer(client, verb) -> None:
    if verb == b"STAT":
        check(anwdl.anwdl_client_send_response(client, True, texts["ANWDL_RESPONSE_MSG_OK"], STATISTICS, ffi.NULL))
    else:
        message = texts["ANWDL_RESPONSE_MSG_REFUSED_REQ" if verb else "ANWDL_RESPONSE_MSG_BAD_REQ"]
        check(anwdl.anwdl_client_send_response(client, False, message, ffi.NULL, ffi.NULL))


def serve(client) -> None:
    request = ffi.new("anwdl_request_t **")
    try:
        while True:
            event = anwdl.anwdl_client_next_event(client, request)
            if event == anwdl.ANWDL_EVENT_REQUEST:
                verb = ffi.string(anwdl.anwdl_request_get_verb(request[0]))
                anwdl.anwdl_request_free(request[0])
                answer(client, verb)
            elif event == anwdl.ANWDL_EVENT_MALFORMED_REQUEST:
                answer(client, None)
            elif event == anwdl.ANWDL_EVENT_ENDED:
                raise RuntimeError(ffi.string(anwdl.anwdl_last_error_message()).decode())
    except RuntimeError as error:
        print("session ended:", error, file=sys.stderr)
    finally:
        anwdl.anwdl_client_free(client)


keys = ffi.new("anwdl_rsa_wrapper_t **")
options = anwdl.anwdl_client_options_new()
check(anwdl.anwdl_rsa_wrapper_new(True, keys))
check(anwdl.anwdl_client_options_set_rsa_wrapper(options, keys[0]))
check(anwdl.anwdl_client_options_set_timeout(options, 10000))
check(anwdl.anwdl_client_options_set_max_message_size(options, 16384))
check(anwdl.anwdl_client_options_set_exchange_keys(options, False))  # the client's own thread does that
with socket.create_server(("127.0.0.1", int(sys.argv[1]))) as listener:
    print("listening on {}:{}".format(*listener.getsockname()), flush=True)
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            time.sleep(0.1)  # no descriptors: others may end meanwhile
            continue
        made = ffi.new("anwdl_client_t **")
        if anwdl.anwdl_client_new(connection.fileno(), options, made) == anwdl.ANWDL_OK:
            connection.detach()  # the descriptor is the client's
            try:
                threading.Thread(target=serve, args=(made[0],), daemon=True).start()
            except RuntimeError:  # no threads: others may end meanwhile
                anwdl.anwdl_client_free(made[0])
        else:
            connection.close()
