"""The exporters of this distribution."""

FACTORIES: dict[str, str] = {
    "debug": "exporters.debug:DebugExporter",
    "file": "exporters.file:FileExporter",
    "load_balancing": "exporters.load_balancing:LoadBalancingExporter",
    "loadbalancing": "exporters.load_balancing:LoadBalancingExporter",
    "nop": "exporters.nop:NopExporter",
    "otlp": "exporters.otlp_grpc:OtlpGrpcExporter",
    "otlp_grpc": "exporters.otlp_grpc:OtlpGrpcExporter",
    "otlp_http": "exporters.otlp_http:OtlpHttpExporter",
    "otlphttp": "exporters.otlp_http:OtlpHttpExporter",
}
"""Type → lazy reference `module:Class`."""
