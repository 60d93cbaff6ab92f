#!/usr/bin/env python3
"""hardening.py [BINARY]     what makes an overflow in the C and C++ code of the binary harder to use (default: the published one)

The ELF file itself is read: https://refspecs.linuxfoundation.org/elf/gabi4+/contents.html and `elf.h`. Prints ok/not ok lines.
"""
import os
import struct
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "tests", "lab"))
from tap import Results, equal, true  # noqa: E402

DYN = 3
LOAD, DYNAMIC, STACK, RELRO = 1, 2, 0x6474E551, 0x6474E552
EXECUTE, WRITE = 1, 2
PLTGOT, TEXTREL, FLAGS, FLAGS_1 = 3, 22, 30, 0x6FFFFFFB
FLAGS_TEXTREL, FLAGS_NOW, FLAGS_1_NOW, FLAGS_1_PIE = 4, 8, 1, 0x08000000


class Elf:
    """The header, the segments and the dynamic section of a 64-bit little-endian file."""

    def __init__(self, path):
        with open(path, "rb") as f:
            data = f.read()
        equal(data[:6], b"\x7fELF\x02\x01", f"the start of {path}")
        self.type, = struct.unpack_from("<H", data, 16)
        table, = struct.unpack_from("<Q", data, 32)
        size, count = struct.unpack_from("<HH", data, 54)
        # Of each: type, flags, offset, virtual address, physical address, length in the file, length in memory, alignment.
        self.segments = [struct.unpack_from("<IIQQQQQQ", data, table + size * i) for i in range(count)]
        dynamic, = self.of(DYNAMIC)
        self.dynamic = dict(struct.iter_unpack("<QQ", data[dynamic[2]:dynamic[2] + dynamic[5]]))

    def of(self, kind):
        return [segment for segment in self.segments if segment[0] == kind]


def main():
    results = Results()
    path = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("IPCS_BIN", os.path.join(ROOT, "artifacts", "ipcs"))
    elf = Elf(path)
    with results.check("the program is position-independent"):
        equal(elf.type, DYN, "the type in the header")
        true(elf.dynamic.get(FLAGS_1, 0) & FLAGS_1_PIE, "the flag PIE is not set")
        true(TEXTREL not in elf.dynamic and not elf.dynamic.get(FLAGS, 0) & FLAGS_TEXTREL, "its code has relocations")
    with results.check("functions are bound at start, and their addresses are read-only then"):
        true(elf.dynamic.get(FLAGS, 0) & FLAGS_NOW or elf.dynamic.get(FLAGS_1, 0) & FLAGS_1_NOW, "the flag BIND_NOW is not set")
        relro = elf.of(RELRO)
        equal(len(relro), 1, "the number of RELRO segments")
        _, _, _, begin, _, _, length, _ = relro[0]
        true(begin <= elf.dynamic[PLTGOT] < begin + length, "the table of addresses is outside the RELRO segment")
    with results.check("the stack is not executable, and no memory is both writable and executable"):
        equal([segment[1] & EXECUTE for segment in elf.of(STACK)], [0], "the flag EXECUTE of the stack")
        true(all(segment[1] & (EXECUTE | WRITE) != EXECUTE | WRITE for segment in elf.of(LOAD)), "a segment is both")
    return 1 if results.failed else 0


if __name__ == "__main__":
    sys.exit(main())
