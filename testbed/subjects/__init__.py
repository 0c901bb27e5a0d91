"""The programs that are compared: Spanmill and its peers. A new one is a module here and a line below.

`direct` is none: the load goes straight to the sink, which shows what the testbed itself can do.
"""

from __future__ import annotations

from testbed.subjects import gocollector, rotel, spanmill
from testbed.subjects.base import Subject

DIRECT = "direct"

SUBJECTS: dict[str, Subject] = {
    subject.name: subject
    for subject in (spanmill.SUBJECT, spanmill.TICKETS, spanmill.GRPCIO, gocollector.SUBJECT, rotel.SUBJECT)
}
