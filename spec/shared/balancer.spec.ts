import { once } from 'node:events';
import { expect, test, vi } from 'vitest';
import { describeWith } from '../support/programs.js';
import { echoes } from '../support/raw-client.js';
import { holds, until } from '../support/wait.js';
import { startBalanced, type Answer, type Balanced } from './balanced.js';

// Five programs start for each test.
vi.setConfig({ testTimeout: 90_000 });

/** Opens tunnels one after another; fails unless each answer is 101. */
async function open(site: Balanced, users: readonly string[]): Promise<Answer[]> {
  const answers: Answer[] = [];
  for (const user of users) {
    const answer = await site.request(user);
    expect(answer.status).toBe(101);
    answers.push(answer);
  }
  return answers;
}

/** Statuses of requests to each of the three replicas. */
async function statuses(site: Balanced, user: string): Promise<number[]> {
  const found: number[] = [];
  for (let asked = 0; asked < 3; asked++) {
    const { status, client } = await site.request(user);
    client.socket.destroy();
    found.push(status);
  }
  return found;
}

const users = (count: number) => Array.from({ length: count }, (_, index) => `user-${index}`);
const replicasOf = (answers: readonly Answer[]) => new Set(answers.map(({ replica }) => replica));

describeWith('redis-server', 'haproxy')('three processes behind HAProxy', () => {
  test('limits.total holds over all of them, and a closed tunnel frees a slot at all of them', async () => {
    const site = await startBalanced({ total: 6 });
    const opened = await open(site, users(6));
    expect(replicasOf(opened).size).toBe(3);
    expect(await statuses(site, 'late')).toEqual([503, 503, 503]);
    opened[0]?.client.socket.destroy();
    await holds(async () => expect((await site.request('late')).status).toBe(101));
    expect(await statuses(site, 'later')).toEqual([503, 503, 503]);
    for (const { client } of opened.slice(1)) await echoes(client);
  });

  test('limits.perUser holds over all of them, for each user alone', async () => {
    const site = await startBalanced({ perUser: 4 });
    const opened = await open(site, ['ann', 'ann', 'ann', 'ann']);
    expect(replicasOf(opened).size).toBe(3);
    expect(await statuses(site, 'ann')).toEqual([429, 429, 429]);
    await open(site, ['bob', 'bob', 'bob', 'bob']);
    expect(await statuses(site, 'bob')).toEqual([429, 429, 429]);
  });

  test('of sixty requests at once for seven slots, exactly seven get a tunnel', async () => {
    const site = await startBalanced({ total: 7 });
    const answers = await Promise.all(users(60).map((user) => site.request(user)));
    const opened = answers.filter(({ status }) => status === 101);
    expect(answers.filter(({ status }) => status !== 101 && status !== 503)).toEqual([]);
    expect(opened.length).toBe(7);
    for (const { client } of opened) await echoes(client);
  });

  test("a logout at any of them ends the user's tunnels at all", async () => {
    const site = await startBalanced({});
    const opened = await open(site, ['ann', 'ann', 'ann', 'ann', 'bob', 'bob', 'bob']);
    const [anns, bobs] = [opened.slice(0, 4), opened.slice(4)];
    expect(replicasOf(anns).size).toBe(3);
    const answer = await fetch(`http://127.0.0.1:${site.port}/logout/ann`, { method: 'POST' });
    expect(await answer.json()).toEqual({ ended: 4, silent: [] });
    for (const { client } of anns) expect(await client.close()).toEqual({ code: 1008, reason: 'logged out' });
    for (const { client } of bobs) await echoes(client);
    // A new login opens at once.
    await open(site, ['ann', 'ann', 'ann']);
  });

  test('after ttl, the slots of a killed process are free, and no others', async () => {
    const site = await startBalanced({ total: 6 });
    const opened = await open(site, users(6));
    const [victim] = site.replicas;
    const lost = opened.filter(({ replica }) => replica === victim?.name);
    expect(lost.length).toBeGreaterThan(0);
    victim?.program.process.kill('SIGKILL');
    for (const { client } of lost) await client.ended();
    const late: Answer[] = [];
    await until(async () => {
      const answer = await site.request(`late-${late.length}`);
      if (answer.status === 101) late.push(answer);
      else expect(answer.status).toBe(503);
      return late.length === lost.length;
    });
    expect(await statuses(site, 'later')).toEqual([503, 503, 503]);
    for (const { client, replica } of [...opened, ...late])
      if (replica !== victim?.name) await echoes(client);
  });

  test('after SIGTERM, tunnels go on for the grace and still count, and new clients reach the other processes', async () => {
    const site = await startBalanced({ perUser: 6 }, 4);
    const [leaver] = site.replicas;
    const opened = await open(site, ['ann', 'ann', 'ann', 'ann', 'ann', 'ann']);
    const leaving = opened.filter(({ replica }) => replica === leaver?.name);
    expect(leaving.length).toBeGreaterThan(0);
    const exited = leaver && once(leaver.program.process, 'exit');
    leaver?.program.process.kill('SIGTERM');
    const others = await open(site, users(6));
    expect(replicasOf(others)).toEqual(new Set(site.replicas.slice(1).map(({ name }) => name)));
    const codes: (number | undefined)[] = [];
    const closes = leaving.map(async ({ client }) => {
      codes.push((await client.close())?.code);
      client.socket.destroy();
    });
    const { status } = await site.request('ann');
    // On a busy machine the grace may be over before the answer.
    if (codes.length === 0) expect(status).toBe(429);
    await Promise.all(closes);
    expect(new Set(codes)).toEqual(new Set([1001]));
    expect(await exited).toEqual([0, null]);
    for (const { client, replica } of [...opened, ...others])
      if (replica !== leaver?.name) await echoes(client);
    // The process leaves the store: its slots are free before ttl is over.
    await open(
      site,
      Array.from({ length: leaving.length }, () => 'ann'),
    );
    expect(await statuses(site, 'ann')).toEqual([429, 429, 429]);
  });
});
