"""Spanmill, an OpenTelemetry span-processing collector.

Where to start reading: `component.py` (what a component is), `pipeline.py` (how components are wired),
`service.py` (how they run). The components themselves live in `receivers/`, `extensions/` and in the
packages `processors` and `exporters`.
"""
