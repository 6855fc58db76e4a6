import { createHash, timingSafeEqual } from 'node:crypto';

/** An operator types, a trainee only watches, and the administrator also sees the tunnels of all and changes roles. */
export type Role = 'operator' | 'trainee' | 'administrator';

export interface Account {
  readonly name: string;
  readonly password: string;
  /** The role at the start. */
  readonly role: Role;
}

/** The names of the administrator and of the trainee. The operator's name is an option. */
export const ADMINISTRATOR = 'admin';
export const TRAINEE = 'trainee';

/** The roles that an account may change to. The administrator's role is fixed, so that the roles can be changed back. */
const CHANGEABLE: readonly unknown[] = ['operator', 'trainee'] satisfies Role[];

/** Keeps the changed roles. Several processes share one over Redis. */
export interface RoleStore {
  get(name: string): Promise<string | null>;
  set(name: string, role: Role): Promise<void>;
}

/** Changed roles in memory, for one process. */
export class MemoryRoles implements RoleStore {
  readonly #roles = new Map<string, Role>();

  get(name: string): Promise<string | null> {
    return Promise.resolve(this.#roles.get(name) ?? null);
  }

  set(name: string, role: Role): Promise<void> {
    this.#roles.set(name, role);
    return Promise.resolve();
  }
}

/** The accounts of the demo, with their current roles. */
export class Accounts {
  constructor(
    private readonly accounts: readonly Account[],
    private readonly store: RoleStore,
  ) {}

  /** The name of the account with this login, or undefined. Takes the same time for every wrong login. */
  check(name: unknown, password: unknown): string | undefined {
    const found = this.accounts.filter((account) => {
      const isPassword = isSame(password, account.password);
      return isSame(name, account.name) && isPassword;
    });
    return found[0]?.name;
  }

  /** The role of an account; undefined for an unknown one. Rejects if the store cannot be reached. */
  async roleOf(name: string | undefined): Promise<Role | undefined> {
    const account = this.accounts.find((one) => one.name === name);
    if (account === undefined || account.role === 'administrator') return account?.role;
    const changed = await this.store.get(account.name);
    return isChangeable(changed) ? changed : account.role;
  }

  /** Changes a role; returns false if the account does not exist or may not change, or for an unknown role. */
  async change(name: unknown, role: unknown): Promise<boolean> {
    const account = this.accounts.find((one) => one.name === name);
    if (account === undefined || account.role === 'administrator' || !isChangeable(role)) return false;
    await this.store.set(account.name, role);
    return true;
  }

  /** All accounts, for pages. */
  list(): Promise<{ name: string; role: Role | undefined; canChange: boolean }[]> {
    return Promise.all(
      this.accounts.map(async ({ name, role }) => ({
        name,
        role: await this.roleOf(name),
        canChange: role !== 'administrator',
      })),
    );
  }
}

function isChangeable(role: unknown): role is Role {
  return CHANGEABLE.includes(role);
}

/** Compares in constant time. */
function isSame(given: unknown, right: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return (
    timingSafeEqual(digest(typeof given === 'string' ? given : ''), digest(right)) &&
    typeof given === 'string'
  );
}
