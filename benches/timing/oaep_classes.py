#!/usr/bin/env python3
"""Writes RSA ciphertexts of two classes to a file: 1024 that decrypt to a block whose first byte is not 0, then 1024 that
decrypt to one that begins with 0 and is no OAEP block behind that.

usage: oaep_classes.py KEY.pem OUTPUT
"""

import random
import subprocess
import sys

VARIANTS = 1024


def public_numbers(path):
    text = subprocess.run(["openssl", "rsa", "-in", path, "-noout", "-modulus"], check=True, capture_output=True,
                          text=True).stdout
    return int(text.strip().removeprefix("Modulus="), 16), 65537


def main():
    modulus, exponent = public_numbers(sys.argv[1])
    size = (modulus.bit_length() + 7) // 8
    edge = 1 << 8 * (size - 1)
    with open(sys.argv[2], "wb") as output:
        for low, high in ((edge, modulus), (1, edge)):
            for _ in range(VARIANTS):
                block = random.randrange(low, high)
                output.write(pow(block, exponent, modulus).to_bytes(size, "big"))


if __name__ == "__main__":
    main()
