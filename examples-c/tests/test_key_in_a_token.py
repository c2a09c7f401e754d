"""The server whose key is in a PKCS #11 token, against peers of every framing: with SoftHSM, in a token of its own.

usage: test_key_in_a_token.py TEST_SHORT_SERVERS SERVER KEYS
"""

import glob
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

SKIPPED = 77
MODULES = ["/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/*/softhsm/libsofthsm2.so", "/usr/lib*/pkcs11/libsofthsm2.so",
           "/usr/local/lib/softhsm/libsofthsm2.so", "/opt/homebrew/lib/softhsm/libsofthsm2.so"]
PIN = "1234"


def make_token(folder, keys):
    """A token with two keys; what tells a program of it is left in the environment."""
    (folder / "tokens").mkdir()
    configuration = folder / "softhsm2.conf"
    configuration.write_text(f"directories.tokendir = {folder}/tokens\nobjectstore.backend = file\nlog.level = ERROR\n")
    os.environ["SOFTHSM2_CONF"] = str(configuration)

    def softhsm(*arguments):
        subprocess.run(["softhsm2-util", *arguments], check=True, stdout=subprocess.DEVNULL)

    softhsm("--init-token", "--free", "--label", "anwdl", "--pin", PIN, "--so-pin", PIN)
    for number, (label, key) in enumerate([("server", "server"), ("another", "rsa-4096")]):
        softhsm("--import", f"{keys}/{key}.pem", "--token", "anwdl", "--label", label, "--id", f"0{number}",
                "--pin", PIN)


def fails(server, **environment):
    """Whether the server ends at once, and says why."""
    ended = subprocess.run([server, "0"], env=os.environ | environment, stderr=subprocess.PIPE, text=True, timeout=60)
    return ended.returncode == 1 and "no token, or no key" in ended.stderr


def main():
    test_short_servers, server, keys = sys.argv[1:]
    modules = [path for pattern in MODULES for path in glob.glob(pattern)]
    if shutil.which("softhsm2-util") is None or not modules:
        print("skipped: SoftHSM 2 is not installed (scripts/ensure-tools softhsm)")
        return SKIPPED
    with tempfile.TemporaryDirectory() as folder:
        make_token(Path(folder), keys)
        os.environ |= {"PKCS11_MODULE": modules[0], "PKCS11_TOKEN": "anwdl", "PKCS11_PIN": PIN}
        for label in ["server", "another"]:
            os.environ["PKCS11_KEY"] = label
            subprocess.run([test_short_servers, "many", server, ""], check=True)
        assert fails(server, PKCS11_PIN="4321")
        assert fails(server, PKCS11_KEY="none")
        # A token whose label only begins with that must not be offered the PIN: here it would take it.
        for label in ["none", "anwd", ""]:
            assert fails(server, PKCS11_TOKEN=label)
        assert fails(server, PKCS11_MODULE="/nowhere")
    return 0


if __name__ == "__main__":
    sys.exit(main())
