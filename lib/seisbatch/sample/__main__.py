"""Writes the sample archive to the folder that is named."""

import sys
from pathlib import Path

from seisbatch.sample import write_sample_archive

if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
    print(f"{__doc__.strip()}\nusage: python -m seisbatch.sample FOLDER", file=sys.stderr)
    sys.exit(2)
write_sample_archive(Path(sys.argv[1]))
