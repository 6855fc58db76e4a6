import { execFile } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { cp, mkdir, rename, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { hashSync } from 'bcryptjs';
import ts from 'typescript';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import type { Deployment } from 'kubernetes-types/apps/v1.js';
import type { Service } from 'kubernetes-types/core/v1.js';
import type { Ingress, NetworkPolicy } from 'kubernetes-types/networking/v1.js';
import type { PodDisruptionBudget } from 'kubernetes-types/policy/v1.js';
import { files, runCommand, startCommand } from '../support/command.js';
import { describeWith, Program } from '../support/programs.js';
import { promtool } from '../support/prometheus.js';
import { echoes, openRaw, statusOf } from '../support/raw-client.js';
import { closedPort, startEcho } from '../support/servers.js';
import { until } from '../support/wait.js';
import { image } from './image.js';
import {
  ARGS,
  CONTAINER,
  DEPLOYMENT,
  DOCKER,
  given,
  KUBERNETES,
  manifest,
  POD,
  ROLLING,
  SETTINGS,
  SHARED,
  textOf,
  type Settings,
} from './manifests.js';

const run = promisify(execFile);

/** Seconds for the end of the process after the last tunnel, such as the last lines of the log. */
const LEAST_RESERVE = 5;

/** Seconds between two PINGs of the command. */
const PING = 30;

interface Kustomization {
  readonly resources: string[];
  readonly images: { name: string }[];
  readonly configMapGenerator: { name: string; files: string[] }[];
  readonly secretGenerator: { name: string; files: string[] }[];
}

const KUSTOMIZATION = manifest<Kustomization>('kustomization.yaml');
const SERVICE = manifest<Service>('service.yaml');
const INGRESS = manifest<Ingress>('ingress.yaml');
const POLICY = manifest<NetworkPolicy>('network.yaml');
const REDIS = manifest<Deployment>('redis-deployment.yaml');
const REDIS_POD = given(REDIS.spec?.template.spec, 'the spec of Redis');
const REDIS_CONTAINER = given(REDIS_POD.containers[0], 'the container of Redis');
const REDIS_SERVICE = manifest<Service>('redis-service.yaml');
const REDIS_POLICY = manifest<NetworkPolicy>('redis-network.yaml');
const BUDGET = manifest<PodDisruptionBudget>('disruption.yaml');

const portOf = (address: string) => Number(address.split(':').at(-1));
const secondsOf = (settings: Settings) => settings.grace + settings.spread + settings.drain;

/** A resource of the Prometheus Operator. */
interface PodMonitor {
  readonly spec: {
    readonly selector: { readonly matchLabels: Record<string, string> };
    readonly podMetricsEndpoints: readonly Record<string, string>[];
  };
}

/** The TypeScript type of each manifest. */
const KINDS: Readonly<Record<string, string>> = {
  'namespace.yaml': 'core/v1.js#Namespace',
  'deployment.yaml': 'apps/v1.js#Deployment',
  'service.yaml': 'core/v1.js#Service',
  'ingress.yaml': 'networking/v1.js#Ingress',
  'disruption.yaml': 'policy/v1.js#PodDisruptionBudget',
  'network.yaml': 'networking/v1.js#NetworkPolicy',
  'redis-deployment.yaml': 'apps/v1.js#Deployment',
  'redis-service.yaml': 'core/v1.js#Service',
  'redis-network.yaml': 'networking/v1.js#NetworkPolicy',
  'metrics/network.yaml': 'networking/v1.js#NetworkPolicy',
};

/** The errors of objects against the types of Kubernetes' API: unknown and missing fields, and wrong kinds of values. */
function typeErrors(objects: Readonly<Record<string, unknown>>): string[] {
  const file = fileURLToPath(new URL('objects.ts', import.meta.url));
  const text = Object.entries(objects).map(([name, value], i) => {
    const [path, type] = given(KINDS[name], name).split('#');
    return `export const object${i}: import('kubernetes-types/${path}').${type} = ${JSON.stringify(value)};\n`;
  });
  const options: ts.CompilerOptions = {
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    strict: true,
    skipLibCheck: true,
    noEmit: true,
    types: [],
  };
  const host = ts.createCompilerHost(options);
  const read = host.getSourceFile.bind(host);
  host.getSourceFile = (name, ...rest) =>
    name === file ? ts.createSourceFile(name, text.join(''), ts.ScriptTarget.ES2023) : read(name, ...rest);
  const exists = host.fileExists.bind(host);
  host.fileExists = (name) => name === file || exists(name);
  const program = ts.createProgram([file], options, host);
  return ts
    .getPreEmitDiagnostics(program)
    .map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, ' '));
}

/** The file with the password of Redis in a shell command. */
const passwordFile = (command: string | undefined) => /\$\(cat ([^)]+)\)/.exec(command ?? '')?.[1];

describe('the manifests of demo/kubernetes', () => {
  test("conform to the types of Kubernetes' API", { timeout: 60_000 }, () => {
    const objects = Object.fromEntries(Object.keys(KINDS).map((file) => [file, manifest<unknown>(file)]));
    expect(typeErrors(objects)).toEqual([]);
    const wrong = { 'service.yaml': { ...SERVICE, spec: { ...SERVICE.spec, sessionAfinity: 'ClientIP' } } };
    expect(typeErrors(wrong).join()).toMatch(/sessionAfinity/);
  });

  test('have the apiVersion and kind that their types name', () => {
    for (const [file, type] of Object.entries(KINDS)) {
      const [, group = '', version = '', kind = ''] = /^(\w+)\/(\w+)\.js#(\w+)$/.exec(type) ?? [];
      const prefix = { core: '', networking: 'networking.k8s.io/' }[group] ?? `${group}/`;
      expect(manifest<object>(file)).toMatchObject({ apiVersion: `${prefix}${version}`, kind });
    }
  });

  test('are all in the kustomization, whose files exist or are made by the user', () => {
    const yaml = readdirSync(KUBERNETES).filter(
      (file) => file.endsWith('.yaml') && file !== 'kustomization.yaml',
    );
    expect([...KUSTOMIZATION.resources].sort()).toEqual(yaml.sort());
    const own = Object.keys(KINDS).filter((file) => !file.includes('/'));
    expect(own.sort()).toEqual(yaml.sort());
    const { configMapGenerator, secretGenerator } = KUSTOMIZATION;
    for (const file of configMapGenerator.flatMap((one) => one.files))
      expect(existsSync(new URL(file, KUBERNETES)), file).toBe(true);
    const ignored = textOf('.gitignore').split('\n');
    for (const file of secretGenerator.flatMap((one) => one.files)) {
      expect(ignored).toContain(file);
      expect(textOf('Dockerfile.dockerignore', DOCKER)).toContain(`demo/kubernetes/${file}\n`);
    }
    expect(KUSTOMIZATION.images.map(({ name }) => name)).toEqual([CONTAINER.image]);
  });

  test('agree on labels, names and ports', () => {
    const labels = DEPLOYMENT.spec?.template.metadata?.labels;
    for (const selector of [
      DEPLOYMENT.spec?.selector.matchLabels,
      SERVICE.spec?.selector,
      BUDGET.spec?.selector?.matchLabels,
      POLICY.spec?.podSelector.matchLabels,
      POD.topologySpreadConstraints?.[0]?.labelSelector?.matchLabels,
    ])
      expect(labels).toEqual(selector);
    expect(CONTAINER.ports).toEqual([
      { name: 'http', containerPort: portOf(SETTINGS.listen) },
      { name: 'health', containerPort: portOf(SETTINGS.health) },
      { name: 'metrics', containerPort: portOf(SETTINGS.metrics) },
    ]);
    expect(image().ports).toEqual(CONTAINER.ports?.map(({ containerPort }) => containerPort));
    // The other ports are in no Service and in no rule for other pods.
    expect(SERVICE.spec?.ports?.map(({ targetPort }) => targetPort)).toEqual(['http']);
    expect(POLICY.spec?.ingress?.flatMap((rule) => rule.ports?.map(({ port }) => port))).toEqual(['http']);
    const [rule] = given(INGRESS.spec?.rules, 'a rule');
    expect(rule?.http?.paths.map(({ backend }) => backend.service)).toEqual([
      { name: SERVICE.metadata?.name, port: { name: SERVICE.spec?.ports?.[0]?.name } },
    ]);
    expect([rule?.host, INGRESS.spec?.tls?.[0]?.hosts?.[0]]).toEqual([SETTINGS.name, SETTINGS.name]);
    const volumes = given(POD.volumes, 'volumes');
    expect(CONTAINER.volumeMounts?.map(({ name }) => name)).toEqual(volumes.map(({ name }) => name));
    expect(volumes.flatMap(({ configMap, secret }) => configMap?.name ?? secret?.secretName ?? [])).toEqual(
      [...KUSTOMIZATION.configMapGenerator, ...KUSTOMIZATION.secretGenerator].map(({ name }) => name),
    );
  });

  test('mount each file where the settings and the arguments look for the file', () => {
    const generators = [...KUSTOMIZATION.configMapGenerator, ...KUSTOMIZATION.secretGenerator];
    const mounted = given(POD.volumes, 'volumes').flatMap(({ name, configMap, secret }) => {
      const files =
        generators.find((one) => one.name === (configMap?.name ?? secret?.secretName))?.files ?? [];
      const mount = CONTAINER.volumeMounts?.find((one) => one.name === name);
      return files.map((file) => `${mount?.mountPath}/${file}`);
    });
    expect(mounted).toEqual([ARGS[1], SETTINGS.auth, SETTINGS.tokens, SHARED[3]]);
    expect(ARGS).toEqual(image().cmd);
  });

  test('share a state over the Service of Redis, which only the pods of the command reach', () => {
    const [port] = given(REDIS_SERVICE.spec?.ports, 'a port');
    expect(SHARED).toEqual([
      '--shared',
      `redis://${REDIS_SERVICE.metadata?.name}:${port?.port}`,
      '--shared-password-file',
      passwordFile(REDIS_CONTAINER.command?.at(-1)),
    ]);
    const { labels } = given(REDIS.spec?.template.metadata, 'metadata');
    for (const selector of [
      REDIS.spec?.selector.matchLabels,
      REDIS_SERVICE.spec?.selector,
      REDIS_POLICY.spec?.podSelector.matchLabels,
    ])
      expect(labels).toEqual(selector);
    expect(REDIS_CONTAINER.ports).toEqual([{ name: port?.targetPort, containerPort: port?.port }]);
    const ours = { protocol: 'TCP', port: port?.targetPort };
    const own = { podSelector: { matchLabels: DEPLOYMENT.spec?.selector.matchLabels } };
    expect(REDIS_POLICY.spec).toMatchObject({
      policyTypes: ['Ingress', 'Egress'],
      ingress: [{ from: [own], ports: [ours] }],
    });
    expect(REDIS_POLICY.spec?.egress).toBeUndefined();
    expect(POLICY.spec?.egress).toContainEqual({
      to: [{ podSelector: { matchLabels: labels } }],
      ports: [ours],
    });
    expect(REDIS.spec).toMatchObject({ replicas: 1, strategy: { type: 'Recreate' } });
    // Both pods have the same Secret at the same path.
    const secretOf = ({ volumes }: typeof POD) => volumes?.find(({ name }) => name === 'redis')?.secret;
    const mountOf = ({ volumeMounts }: typeof CONTAINER) =>
      volumeMounts?.find(({ name }) => name === 'redis')?.mountPath;
    expect(secretOf(REDIS_POD)).toEqual(secretOf(POD));
    expect(`${mountOf(REDIS_CONTAINER)}/redis-password`).toBe(SHARED[3]);
    expect(mountOf(CONTAINER)).toBe(mountOf(REDIS_CONTAINER));
  });

  test('let Prometheus alone read the metrics of each pod, with the optional component', () => {
    const component = manifest<Kustomization & { kind: string }>('metrics/kustomization.yaml');
    expect(component.kind).toBe('Component');
    const beside = readdirSync(new URL('metrics/', KUBERNETES));
    expect([...component.resources, 'kustomization.yaml'].sort()).toEqual(beside.sort());
    const monitor = manifest<PodMonitor>('metrics/pod-monitor.yaml');
    expect(monitor).toMatchObject({ apiVersion: 'monitoring.coreos.com/v1', kind: 'PodMonitor' });
    const policy = manifest<NetworkPolicy>('metrics/network.yaml');
    const labels = DEPLOYMENT.spec?.template.metadata?.labels;
    expect([monitor.spec.selector.matchLabels, policy.spec?.podSelector.matchLabels]).toEqual([
      labels,
      labels,
    ]);
    const { ports = [] } = CONTAINER;
    expect(monitor.spec.podMetricsEndpoints).toEqual([
      { port: ports[2]?.name, path: '/metrics', interval: expect.stringMatching(/^\d+s$/) as string },
    ]);
    const [rule, ...others] = policy.spec?.ingress ?? [];
    expect(others).toEqual([]);
    expect(rule?.ports).toEqual([{ protocol: 'TCP', port: ports[2]?.name }]);
    expect(rule?.from).toHaveLength(1);
    expect(policy.spec?.policyTypes).toEqual(['Ingress']);
  });

  test('ask Redis itself in each probe, with the password', () => {
    const { startupProbe, readinessProbe, livenessProbe } = REDIS_CONTAINER;
    for (const probe of [startupProbe, readinessProbe, livenessProbe]) {
      expect(probe?.exec?.command?.at(-1)).toMatch(/redis-cli ping \| grep -q PONG$/);
      expect(passwordFile(probe?.exec?.command?.at(-1))).toBe(SHARED[3]);
      // The default of a second is short for a new process on a busy node.
      expect(probe?.timeoutSeconds).toBeGreaterThan(1);
    }
  });

  test('probe the health port: liveness and startup at /healthz, readiness at /readyz', () => {
    const { startupProbe, readinessProbe, livenessProbe } = CONTAINER;
    expect([startupProbe, livenessProbe, readinessProbe].map((probe) => probe?.httpGet)).toEqual([
      { path: '/healthz', port: 'health' },
      { path: '/healthz', port: 'health' },
      { path: '/readyz', port: 'health' },
    ]);
  });

  test('give each pod the time of preStop, linger, grace, spread and drain before the kill', () => {
    const preStop = given(CONTAINER.lifecycle?.preStop?.sleep?.seconds, 'preStop');
    const needed = preStop + SETTINGS.linger + secondsOf(SETTINGS) + LEAST_RESERVE;
    expect(POD.terminationGracePeriodSeconds).toBeGreaterThanOrEqual(needed);
    // The comment beside the sum has the same numbers.
    const { linger, grace, spread, drain } = SETTINGS;
    expect(textOf('deployment.yaml')).toContain(
      `preStop ${preStop} + linger ${linger} + grace ${grace} + spread ${spread} + drain ${drain} `,
    );
    expect(ROLLING).toEqual({ maxSurge: 1, maxUnavailable: 0 });
    expect(BUDGET.spec).toMatchObject({ maxUnavailable: 1 });
  });

  test('need no right that the restricted profile of Kubernetes forbids', () => {
    expect(manifest<object>('namespace.yaml')).toMatchObject({
      metadata: { labels: { 'pod-security.kubernetes.io/enforce': 'restricted' } },
    });
    const [uid, gid] = image().user.split(':').map(Number);
    for (const pod of [POD, REDIS_POD]) {
      expect(pod).toMatchObject({
        automountServiceAccountToken: false,
        securityContext: {
          runAsNonRoot: true,
          runAsUser: uid,
          runAsGroup: gid,
          fsGroup: gid,
          seccompProfile: { type: 'RuntimeDefault' },
        },
      });
      expect(pod.containers[0]?.securityContext).toEqual({
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'] },
      });
      const kinds = pod.volumes?.flatMap((volume) => Object.keys(volume)) ?? [];
      expect(kinds.filter((kind) => !['name', 'configMap', 'secret', 'emptyDir'].includes(kind))).toEqual([]);
    }
  });

  test('let the ingress wait longer than a PING takes', () => {
    const annotations = INGRESS.metadata?.annotations ?? {};
    for (const name of ['proxy-read-timeout', 'proxy-send-timeout'])
      expect(Number(annotations[`nginx.ingress.kubernetes.io/${name}`])).toBeGreaterThan(2 * PING);
  });
});

describe('the settings of the manifests and of compose.yaml', () => {
  test.each([
    ['demo/kubernetes/config.json', SETTINGS],
    ['demo/docker/config/config.json', JSON.parse(textOf('config/config.json', DOCKER)) as Settings],
  ])('%s is accepted by the command, with no warning but that of http', async (_name, settings) => {
    const made = await files({
      'users.htpasswd': `ann:${hashSync('right', 4)}\n`,
      tokens: 'desk: desk.lan:5900\n',
      'config.json': '',
    });
    const { folder: web } = await files({ 'vnc.html': '' });
    const own = { auth: made['users.htpasswd'], tokens: made.tokens, web };
    await writeFile(made['config.json']!, JSON.stringify({ ...settings, ...own }));
    const { code, stderr } = await runCommand(['--check-config', '--config', made['config.json']!]);
    expect(code).toBe(0);
    // TLS ends at the proxy, which the command can't know.
    expect(stderr).toBe(
      'express-wstunnel: warning: passwords and data are sent unencrypted; use https with --cert\n',
    );
  });
});

describe('--shared of the manifests and of compose.yaml', () => {
  test.each([
    ['deployment.yaml', SHARED],
    ['compose.yaml', sharedOfCompose()],
  ])('in %s is accepted by the command', async (_name, shared) => {
    const { password: file = '' } = await files({ password: 'a1b2c3\n' });
    const args = shared.map((arg) => (arg.startsWith('/') ? file : arg));
    const own = ['--listen', '127.0.0.1:0', '127.0.0.1:5900'];
    const { code, stderr } = await runCommand(['--check-config', ...own, ...args]);
    expect([code, stderr]).toEqual([0, '']);
  });
});

describe('a Secret of tokens, as the kubelet mounts it', () => {
  /** Writes a version of the Secret, as atomic_writer.go does: a new folder, and a rename of the link `..data`. */
  async function publish(mount: string, version: string, tokens: string): Promise<void> {
    await mkdir(join(mount, version));
    await writeFile(join(mount, version, 'tokens'), tokens, { mode: 0o440 });
    await symlink(version, join(mount, '..data_tmp'));
    await rename(join(mount, '..data_tmp'), join(mount, '..data'));
  }

  test('takes effect without a restart when the Secret changes', async () => {
    const { port: target } = await startEcho();
    const { folder: mount = '' } = await files({});
    await publish(mount, '..2026_1', `first: 127.0.0.1:${target}\n`);
    await symlink('..data/tokens', join(mount, 'tokens'));
    const { port } = await startCommand(['--listen', '0', '--tokens', join(mount, 'tokens')]);
    await echoes(await openRaw(port, '/?token=first'));
    expect(await statusOf(port, '/?token=second')).not.toBe(101);
    await publish(mount, '..2026_2', `second: 127.0.0.1:${target}\n`);
    await until(async () => (await statusOf(port, '/?token=second')) === 101);
    expect(await statusOf(port, '/?token=first')).not.toBe(101);
  });
});

interface Compose {
  readonly services: Record<string, Record<string, unknown>>;
  readonly networks: { desk: { ipam: { config: { subnet: string }[] } }; state: { internal: boolean } };
}

/** The arguments of a tunnel's container for the shared state. */
function sharedOfCompose(): string[] {
  const { services } = parse(textOf('compose.yaml', DOCKER), { merge: true }) as Compose;
  const command = services['tunnel-1']?.command as string[];
  return command.slice(command.indexOf('--shared'));
}

/** A list of Compose, where `$$` is a dollar. */
const escaped = (list: unknown) => (list as string[]).map((text) => text.replaceAll('$$', '$'));

describe('demo/docker', () => {
  const compose = parse(textOf('compose.yaml', DOCKER), { merge: true }) as Compose;
  const tunnels = ['tunnel-1', 'tunnel-2'];
  const settings = JSON.parse(textOf('config/config.json', DOCKER)) as Settings;

  test(
    'compose.yaml conforms to the schema of Compose, and to the rules of dclint',
    { timeout: 60_000 },
    async () => {
      const bin = fileURLToPath(new URL('../../node_modules/dclint/bin/dclint.cjs', import.meta.url));
      // Left out: rules of order, and a name for the image that is built.
      const off = [
        'no-build-and-image',
        'services-alphabetical-order',
        'service-keys-order',
        'require-quotes-in-ports',
      ];
      const args = ['--max-warnings', '0', ...off.flatMap((rule) => ['--disable-rule', rule])];
      const { folder = '', 'compose.yaml': wrong = '' } = await files({
        'compose.yaml': textOf('compose.yaml', DOCKER).replace('read_only: true', 'read_only: [x]'),
      });
      await expect(run(process.execPath, [bin, wrong, ...args], { cwd: folder })).rejects.toThrow();
      await cp(new URL('compose.yaml', DOCKER), wrong);
      await run(process.execPath, [bin, wrong, ...args], { cwd: folder });
    },
  );

  test('the containers have a read-only root, no capability, and the time to drain', () => {
    for (const service of Object.values(compose.services))
      expect(service).toMatchObject({
        read_only: true,
        cap_drop: ['ALL'],
        security_opt: ['no-new-privileges:true'],
      });
    for (const name of tunnels) {
      const seconds = Number(/^(\d+)s$/.exec(String(compose.services[name]?.stop_grace_period))?.[1]);
      expect(seconds).toBeGreaterThanOrEqual(secondsOf(settings) + LEAST_RESERVE);
    }
  });

  test('the containers share a state over a Redis that nginx does not reach', () => {
    const { redis = {}, nginx = {} } = compose.services;
    const reader = passwordFile(escaped(redis.command).at(-1));
    expect(passwordFile(escaped((redis.healthcheck as { test: unknown }).test).at(-1))).toBe(reader);
    for (const name of tunnels) {
      const { command, depends_on, networks, volumes } = compose.services[name] ?? {};
      expect(command).toEqual([
        ...image().cmd,
        ...['--shared', 'redis://redis:6379', '--shared-password-file', reader],
      ]);
      expect(depends_on).toEqual({ redis: { condition: 'service_healthy' } });
      expect(Object.keys(networks as object)).toEqual(['desk', 'state']);
      expect(volumes).toContain('./redis:/etc/desk/redis:ro');
    }
    expect(reader).toBe('/etc/desk/redis/password');
    expect(redis.volumes).toEqual(['./redis:/etc/desk/redis:ro']);
    expect([Object.keys(redis.networks as object), Object.keys(nginx.networks as object)]).toEqual([
      ['state'],
      ['desk'],
    ]);
    expect(compose.networks.state).toEqual({ internal: true });
    expect(redis.ports).toBeUndefined();
    expect(redis.user).toBe(image().user);
    const ignored = textOf('.gitignore', DOCKER).split('\n');
    expect(ignored).toContain('redis/');
    expect(textOf('Dockerfile.dockerignore', DOCKER)).toContain('demo/docker/redis\n');
    // The client.
    expect(textOf('Dockerfile', DOCKER)).toMatch(/npm install .* redis@\d+$/m);
  });

  test('nginx has the addresses and the port of compose.yaml, and waits longer than a PING takes', () => {
    const conf = textOf('nginx.conf', DOCKER);
    const servers = Array.from(conf.matchAll(/^\s*server (\S+) max_fails=0;/gm), ([, server]) => server);
    const addresses = tunnels.map((name) => {
      const networks = compose.services[name]?.networks as { desk: { ipv4_address: string } };
      return networks.desk.ipv4_address;
    });
    expect(servers).toEqual(addresses.map((address) => `${address}:${portOf(settings.listen)}`));
    const [{ subnet } = { subnet: '' }] = compose.networks.desk.ipam.config;
    for (const address of addresses) expect(address.startsWith(subnet.replace(/\d+\/24$/, ''))).toBe(true);
    const [, listen] = /^\s*listen (\d+);/m.exec(conf) ?? [];
    expect(compose.services.nginx?.ports).toEqual([`127.0.0.1:${listen}:${listen}`]);
    const [, seconds] = /proxy_read_timeout (\d+)s/.exec(conf) ?? [];
    expect(Number(seconds)).toBeGreaterThan(2 * PING);
  });
});

describeWith('promtool')('the Prometheus of compose.yaml', () => {
  const compose = parse(textOf('compose.yaml', DOCKER), { merge: true }) as Compose;

  test('scrapes both containers, with a configuration that promtool accepts', async () => {
    const config = textOf('prometheus.yml', DOCKER);
    const alerts = textOf('../grafana/alerts.yml', DOCKER);
    const made = await files({ 'prometheus.yml': config, 'alerts.yml': alerts });
    expect(await promtool(['check', 'config', made['prometheus.yml']!])).toContain('1 rule files found');
    const settings = JSON.parse(textOf('config/config.json', DOCKER)) as Settings;
    const { scrape_configs: jobs } = parse(config) as {
      scrape_configs: { static_configs: { targets: string[] }[] }[];
    };
    expect(jobs.flatMap((job) => job.static_configs.flatMap(({ targets }) => targets))).toEqual(
      ['tunnel-1', 'tunnel-2'].map((name) => `${name}:${portOf(settings.metrics)}`),
    );
  });

  test('runs only in its profile, and mounts files that exist', () => {
    const { prometheus = {} } = compose.services;
    expect(prometheus.profiles).toEqual(['metrics']);
    for (const [name, { profiles }] of Object.entries(compose.services))
      if (name !== 'prometheus') expect(profiles, name).toBeUndefined();
    expect(Object.keys(prometheus.networks as object)).toEqual(['desk']);
    for (const volume of prometheus.volumes as string[]) {
      const [from = ''] = volume.split(':');
      if (from.startsWith('.')) expect(existsSync(new URL(from, DOCKER)), from).toBe(true);
    }
  });
});

describeWith('redis-server')('the command of Redis', () => {
  const compose = parse(textOf('compose.yaml', DOCKER), { merge: true }) as Compose;
  test.each<[string, readonly string[], string]>([
    [
      'redis-deployment.yaml',
      given(REDIS_CONTAINER.command, 'a command'),
      given(REDIS_CONTAINER.livenessProbe?.exec?.command?.at(-1), 'a probe'),
    ],
    [
      'compose.yaml',
      escaped(compose.services.redis?.command),
      given(escaped((compose.services.redis?.healthcheck as { test: unknown }).test).at(-1), 'a probe'),
    ],
  ])(
    'of %s starts a Redis that asks for the password, which no argument shows',
    async (_name, command, probe) => {
      const password = 'a1b2c3';
      const { password: file = '', folder = '' } = await files({ password: `${password}\n` });
      const port = await closedPort();
      const local = (text: string) =>
        text
          .replaceAll(/\$\(cat [^)]+\)/g, `$(cat ${file})`)
          .replace('dir /tmp', `dir ${folder}\nport ${port}\nbind 127.0.0.1`)
          .replace('redis-cli', `redis-cli -p ${port}`);
      const [sh = '', ...args] = command.map(local);
      const redis = new Program(sh, args);
      await redis.prints(/Ready to accept connections/);
      const check = () => run('sh', ['-c', local(probe)]);
      await check();
      const { stdout } = await run('redis-cli', ['-p', String(port), 'ping']);
      expect(stdout).toMatch(/^NOAUTH/);
      const { stdout: shown } = await run('ps', ['-o', 'args=', '-p', String(redis.process.pid)]);
      expect(shown).toMatch(/^redis-server/);
      expect(shown).not.toContain(password);
      await redis.stop();
      expect(redis.process.exitCode).toBe(0);
      await expect(check()).rejects.toThrow();
    },
  );
});

describeWith('yamllint')('yamllint', () => {
  test('finds nothing in the folders kubernetes, docker, grafana and operations of demo', async () => {
    const rules = '{extends: default, rules: {line-length: {max: 140}, document-start: disable}}';
    const monitoring = ['../grafana/', '../operations/'].map((folder) => new URL(folder, DOCKER));
    const folders = [KUBERNETES, DOCKER, ...monitoring].map((url) => fileURLToPath(url));
    const { stdout } = await run('yamllint', ['--strict', '-d', rules, ...folders]);
    expect(stdout).toBe('');
  });
});

describeWith('nginx')('nginx', () => {
  test('accepts nginx.conf of demo/docker', async () => {
    const { folder = '', 'nginx.conf': conf = '' } = await files({ 'nginx.conf': '' });
    await writeFile(conf, textOf('nginx.conf', DOCKER).replaceAll(/ \/(tmp|dev)\//g, ` ${folder}/`));
    await run('nginx', ['-t', '-q', '-p', folder, '-c', conf, '-e', 'stderr']);
  });
});
