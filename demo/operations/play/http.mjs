import { get } from 'node:http';
import { text } from 'node:stream/consumers';

/** The status and text of a page; status 0 without an answer. */
export function fetchText(url) {
  return new Promise((resolve) => {
    const request = get(url, { timeout: 5000, agent: false }, (response) => {
      text(response).then(
        (body) => resolve({ status: response.statusCode, body }),
        () => resolve({ status: 0, body: '' }),
      );
    });
    request.once('timeout', () => request.destroy());
    request.once('error', () => resolve({ status: 0, body: '' }));
  });
}

/** The names of the firing alerts, from Prometheus's API. */
export async function firingAlerts() {
  const { body } = await fetchText('http://127.0.0.1:9090/api/v1/alerts');
  const { data } = JSON.parse(body || '{"data":{"alerts":[]}}');
  return data.alerts.filter(({ state }) => state === 'firing').map(({ labels }) => labels.alertname);
}

/** The number of processes that HAProxy gives new clients to. */
export async function activeServers() {
  const { body } = await fetchText('http://127.0.0.1:8405/metrics');
  return Number(/^haproxy_backend_active_servers\{proxy="desk"\} (\d+)$/m.exec(body)?.[1] ?? 0);
}

const addressOf = (process) => `http://127.0.0.1:${process === 'a' ? 9081 : 9082}`;

/** Does the process accept new clients? */
export async function isReady(process) {
  return (await fetchText(`${addressOf(process)}/readyz`)).status === 200;
}

/** The value of a metric of a process; 0 without a sample. */
export async function metric(process, name) {
  const { body } = await fetchText(`${addressOf(process)}/metrics`);
  const line = body.split('\n').find((one) => one.startsWith(`${name} `) || one.startsWith(`${name}{`));
  return Number(line?.split(' ').at(-1) ?? 0);
}
