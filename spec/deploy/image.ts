import { cp, mkdir, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { DOCKER, textOf } from './manifests.js';

const ROOT = join(import.meta.dirname, '../..');

/** An instruction of a Dockerfile. */
export interface Instruction {
  readonly name: string;
  /** `--from=build` and others, before the arguments. */
  readonly flags: readonly string[];
  readonly text: string;
}

/** The instructions of demo/docker/Dockerfile. */
export function instructions(): Instruction[] {
  const lines = textOf('Dockerfile', DOCKER)
    .replaceAll(/^\s*#.*\n/gm, '')
    .replaceAll(/\\\n/g, ' ')
    .split('\n')
    .filter((line) => line.trim() !== '');
  return lines.map((line) => {
    const [, name = '', flags = '', text = ''] = /^(\w+)\s+((?:--\S+\s+)*)(.*)$/.exec(line) ?? [];
    return { name: name.toUpperCase(), flags: flags.split(/\s+/).filter((flag) => flag !== ''), text };
  });
}

/** What a container of the image runs, and as whom. */
export interface Image {
  readonly user: string;
  readonly env: readonly string[];
  readonly entrypoint: readonly string[];
  readonly cmd: readonly string[];
  readonly healthcheck: readonly string[];
  readonly ports: readonly number[];
}

/** The settings of the last stage. */
export function image(): Image {
  const all = instructions();
  const last = all.slice(all.map(({ name }) => name).lastIndexOf('FROM'));
  const texts = (name: string) => last.filter((one) => one.name === name).map(({ text }) => text);
  const list = (name: string) => JSON.parse(texts(name).at(-1)?.replace(/^CMD /, '') ?? '[]') as string[];
  return {
    user: texts('USER').at(-1) ?? 'root',
    env: texts('ENV'),
    entrypoint: list('ENTRYPOINT'),
    cmd: list('CMD'),
    healthcheck: list('HEALTHCHECK'),
    ports: texts('EXPOSE').flatMap((text) => text.split(' ').map(Number)),
  };
}

/** Copies the context of a build: the repository without the files of Dockerfile.dockerignore. */
export async function copyContext(to: string): Promise<void> {
  const patterns = textOf('Dockerfile.dockerignore', DOCKER)
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => {
      const escaped = line.replaceAll('.', '\\.').replaceAll('**/', '\0').replaceAll('*', '[^/]*');
      return new RegExp(`^${escaped.replaceAll('\0', '(?:.*/)?')}(?:/|$)`);
    });
  const filter = (path: string) => !patterns.some((pattern) => pattern.test(relative(ROOT, path)));
  await cp(ROOT, to, { recursive: true, filter });
}

const quote = (text: string) => `'${text.replaceAll("'", "'\\''")}'`;

/**
 * A shell script that replays the Dockerfile in a mount namespace of its own. Each stage is an overlay over this machine, which
 * stands for the base image: nothing outside of `folder` changes. Then the script runs `run`, with `$ROOT` for the root of the
 * last stage, which is read-only but for /tmp.
 */
export async function replay(
  folder: string,
  mounts: Readonly<Record<string, string>>,
  run: string,
): Promise<string> {
  const lines = ['set -eux', `mount -t tmpfs -o size=6g tmpfs ${quote(folder)}`];
  const context = `${folder}-context`;
  await copyContext(context);
  const stages = new Map<string, string>();
  let [stage, cwd, count] = ['', '/', 0];
  const inStage = (path: string) =>
    join(stage, path.startsWith('/') ? path : join(cwd, path), path.endsWith('/') ? '/' : '');
  for (const { name, flags, text } of instructions()) {
    if (name === 'FROM') {
      const base = join(folder, `stage-${++count}`);
      [stage, cwd] = [join(base, 'root'), '/'];
      stages.set(/ AS (\w+)$/i.exec(text)?.[1] ?? String(count), stage);
      lines.push(
        `mkdir -p ${base}/up ${base}/work ${stage}`,
        `mount -t overlay overlay -o lowerdir=/,upperdir=${base}/up,workdir=${base}/work ${stage}`,
        `mount --rbind /dev ${stage}/dev && mount -t proc proc ${stage}/proc && mount -t tmpfs tmpfs ${stage}/tmp`,
        // The base image has neither: files of this machine must not stand in for a COPY.
        `rm -rf ${stage}/usr/share/novnc ${stage}/app ${stage}/src ${stage}/pages`,
        `cat /etc/resolv.conf > ${folder}/resolv && cp --remove-destination ${folder}/resolv ${stage}/etc/resolv.conf`,
      );
    } else if (name === 'WORKDIR') {
      cwd = text;
      lines.push(`mkdir -p ${stage}${cwd}`);
    } else if (name === 'COPY') {
      const from = /^--from=(\w+)$/.exec(flags[0] ?? '')?.[1];
      const paths = text.split(/\s+/);
      const target = inStage(paths.pop() ?? '');
      const source = from === undefined ? context : (stages.get(from) ?? 'no stage');
      for (const path of paths) {
        const whole = join(source, path);
        // COPY copies the content of a folder, and a file under its own name.
        lines.push(
          `mkdir -p ${target} && if [ -d ${whole} ]; then cp -a ${whole}/. ${target}; else cp -a ${whole} ${target}; fi`,
        );
      }
    } else if (name === 'RUN') {
      lines.push(`chroot ${stage} /bin/sh -c ${quote(`cd ${cwd} && ${text}`)} 1>&2`);
    }
  }
  for (const [path, content] of Object.entries(mounts))
    lines.push(
      `mkdir -p ${stage}${join(path, '..')} && printf %s ${quote(content)} > ${stage}${path}`,
      `chmod 0644 ${stage}${path}`,
    );
  lines.push(
    `umount ${stage}/tmp && mount -t tmpfs -o mode=1777 tmpfs ${stage}/tmp`,
    `mount -o remount,ro ${stage}`,
  );
  lines.push(`export ROOT=${stage}`, run);
  const script = join(`${folder}-context`, '.replay.sh');
  await mkdir(folder, { recursive: true });
  await writeFile(script, `${lines.join('\n')}\n`);
  return script;
}
