"""The exporters of this distribution."""

FACTORIES: dict[str, str] = {
    "nop": "exporters.nop:NopExporter",
    "otlp": "exporters.otlp_grpc:OtlpGrpcExporter",
    "otlp_grpc": "exporters.otlp_grpc:OtlpGrpcExporter",
}
"""Type → lazy reference `module:Class`."""
