import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.Tracer;
import io.opentelemetry.exporter.otlp.http.trace.OtlpHttpSpanExporter;
import io.opentelemetry.exporter.otlp.trace.OtlpGrpcSpanExporter;
import io.opentelemetry.sdk.trace.SdkTracerProvider;
import io.opentelemetry.sdk.trace.export.BatchSpanProcessor;
import io.opentelemetry.sdk.trace.export.SpanExporter;
import java.util.concurrent.TimeUnit;

/** Sends spans with the OpenTelemetry SDK for Java, and prints the id of each: grpc|http HOST:PORT none|gzip COUNT. */
public class Send {
  public static void main(String[] arguments) {
    SpanExporter exporter = exporter(arguments[0], "http://" + arguments[1], arguments[2]);
    BatchSpanProcessor processor = BatchSpanProcessor.builder(exporter).setMaxExportBatchSize(50).build();
    SdkTracerProvider provider = SdkTracerProvider.builder().addSpanProcessor(processor).build();
    Tracer tracer = provider.get("interop");
    for (int number = 0; number < Integer.parseInt(arguments[3]); number++) {
      Span span = tracer.spanBuilder("chat").setAttribute("number", number).startSpan();
      span.addEvent("token");
      System.out.println(span.getSpanContext().getSpanId());
      span.end();
    }
    boolean sent = provider.shutdown().join(30, TimeUnit.SECONDS).isSuccess();
    System.exit(sent ? 0 : 1);
  }

  private static SpanExporter exporter(String protocol, String endpoint, String compression) {
    if (protocol.equals("grpc")) {
      return OtlpGrpcSpanExporter.builder().setEndpoint(endpoint).setCompression(compression).build();
    }
    String url = endpoint + "/v1/traces";
    return OtlpHttpSpanExporter.builder().setEndpoint(url).setCompression(compression).build();
  }
}
