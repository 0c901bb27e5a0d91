"""A small LLM application that sends the five kinds of traffic an AI platform has, and shows what became of them.

It is instrumented with the OpenTelemetry SDK and sends through the SDK's own OTLP/gRPC exporter, as any service would.
"""
