// OpenTelemetry: a trace for each opening of a tunnel, from the instrumentations of http and Express, and metrics from the
// channels of express-wstunnel, on the console.
//
//   npm install express express-session express-wstunnel @novnc/novnc
//   npm install @opentelemetry/api @opentelemetry/instrumentation @opentelemetry/instrumentation-http
//   npm install @opentelemetry/instrumentation-express @opentelemetry/sdk-metrics @opentelemetry/sdk-trace-node
//   node opentelemetry.mjs
//
// Settings: PORT, VNC_PORT, PASSWORD, SESSION_SECRET (see README.md), and METRICS_INTERVAL, seconds (60).
//
// In place of the console exporters: `@opentelemetry/exporter-trace-otlp-http` and `-metrics-otlp-http`, and the environment
// variable OTEL_EXPORTER_OTLP_ENDPOINT. The span of an opening ends with the 101 response. There is no span for the open tunnel, since most
// collectors show a span only after its end, and tunnels are open for hours.
import { subscribe } from 'node:diagnostics_channel';
import { createRequire } from 'node:module';
import { metrics } from '@opentelemetry/api';
import { registerInstrumentations } from '@opentelemetry/instrumentation';
import { ExpressInstrumentation } from '@opentelemetry/instrumentation-express';
import { HttpInstrumentation } from '@opentelemetry/instrumentation-http';
import {
  AggregationType,
  ConsoleMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics';
import { BatchSpanProcessor, ConsoleSpanExporter, NodeTracerProvider } from '@opentelemetry/sdk-trace-node';

const INTERVAL = Number(process.env.METRICS_INTERVAL ?? 60) * 1000;

const traces = new NodeTracerProvider({
  spanProcessors: [new BatchSpanProcessor(new ConsoleSpanExporter(), { scheduledDelayMillis: INTERVAL })],
});
traces.register();

const meters = new MeterProvider({
  readers: [
    new PeriodicExportingMetricReader({
      exporter: new ConsoleMetricExporter(),
      exportIntervalMillis: INTERVAL,
      exportTimeoutMillis: INTERVAL,
    }),
  ],
  views: [
    {
      // Desktops are open for hours: the buckets of the default end at 10 seconds.
      instrumentName: 'wstunnel.tunnel.duration',
      aggregation: {
        type: AggregationType.EXPLICIT_BUCKET_HISTOGRAM,
        options: { boundaries: [1, 10, 60, 300, 900, 3600, 14_400, 43_200, 86_400] },
      },
    },
  ],
});
metrics.setGlobalMeterProvider(meters);

registerInstrumentations({
  instrumentations: [
    // A token or ticket in the query is a password: no trace may have it. Add the names of your own parameters.
    new HttpInstrumentation({ redactedQueryParamsServer: ['token', 'ticket'] }),
    new ExpressInstrumentation(),
  ],
});
// The instrumentations change modules when these are required, and so before the imports below.
createRequire(import.meta.url)('express');

const meter = metrics.getMeter('express-wstunnel');
const open = meter.createUpDownCounter('wstunnel.tunnels.open', { description: 'Open tunnels.' });
const duration = meter.createHistogram('wstunnel.tunnel.duration', {
  description: 'Age of tunnels at their end.',
  unit: 's',
});
const bytes = meter.createCounter('wstunnel.bytes', {
  description: 'Payload bytes of tunnels that have ended.',
  unit: 'By',
});
const refusals = meter.createCounter('wstunnel.refusals', { description: 'Requests refused.' });
const outages = meter.createCounter('wstunnel.backend.outages', { description: 'Backends that went down.' });

// `tunnel` is the option `name`. Users, addresses and close codes are not attributes, because each value would create another series.
subscribe('express-wstunnel:open', ({ tunnel }) => open.add(1, { tunnel }));
subscribe('express-wstunnel:close', ({ tunnel, cause, duration: seconds, bytesIn, bytesOut }) => {
  open.add(-1, { tunnel });
  duration.record(seconds, { tunnel, cause });
  bytes.add(bytesIn, { tunnel, direction: 'received' });
  bytes.add(bytesOut, { tunnel, direction: 'sent' });
});
subscribe('express-wstunnel:refuse', ({ tunnel, code }) => refusals.add(1, { tunnel, code }));
subscribe('express-wstunnel:backend', ({ tunnel, id, up }) => {
  if (!up) outages.add(1, { tunnel, backend: id });
});

const { default: express } = await import('express');
const { wstunnel } = await import('express-wstunnel');
const { desktopPage } = await import('./desktop-page.mjs');
const { login, requireLogin } = await import('./login.mjs');

const VNC_PORT = Number(process.env.VNC_PORT ?? 5900);

const app = express();
app.use(login);
app.use('/vnc', requireLogin, wstunnel({ name: 'vnc', server: { port: VNC_PORT } }));

app.use(desktopPage('/vnc'));

const server = app.listen(process.env.PORT ?? 8080, '127.0.0.1', (error) => {
  if (error) throw error;
  console.log(`listening on http://127.0.0.1:${server.address().port}/`);
});

process.once('SIGTERM', async () => {
  server.close();
  // The last spans and numbers.
  await Promise.allSettled([traces.shutdown(), meters.shutdown()]);
  process.exit();
});
