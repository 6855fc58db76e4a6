import { join } from 'node:path';
import ts from 'typescript';
import { describe, expect, test } from 'vitest';

const ROOT = join(import.meta.dirname, '../..');
const FIXTURES = ['options.ts', 'tunnel.ts', 'request.ts', 'shared.ts', 'tokens.ts', 'record.ts'];
const FACES = [
  ['.', 'Tunnel'],
  ['client', 'ConnectOptions'],
  ['redis', 'RedisOptions'],
  ['cluster', 'ClusterOptions'],
  ['tokens', 'TokenSource'],
  ['record', 'FileRecorderOptions'],
] as const;
const facesOf = (folder: string) => ['index.mts', 'index.cts'].map((file) => join(ROOT, 'src', folder, file));

const program = ts.createProgram([...FIXTURES.map(pathOf), ...FACES.flatMap(([folder]) => facesOf(folder))], {
  ...compilerOptions(),
  noEmit: true,
  rootDir: ROOT,
});

// Each fixture must compile; a line after `@ts-expect-error` must not compile alone.
describe('types', () => {
  test.each(FIXTURES)('%s', (name) => {
    const source = program.getSourceFile(pathOf(name));
    expect(source?.text).toContain('@ts-expect-error');
    expect(messagesOf(ts.getPreEmitDiagnostics(program, source))).toEqual([]);
  });

  test.each(FACES)('import and require of %s give the same names', (folder, name) => {
    const [forImport, forRequire] = facesOf(folder).map(exportsOf);
    expect(forImport).toContain(name);
    expect(forRequire).toEqual(forImport);
  });
});

function pathOf(name: string): string {
  return join(import.meta.dirname, name);
}

function exportsOf(file: string): string[] {
  const checker = program.getTypeChecker();
  const face = checker.getSymbolAtLocation(program.getSourceFile(file)!)!;
  const required = face.exports?.get(ts.InternalSymbolName.ExportEquals);
  const values = required ? checker.getTypeOfSymbol(checker.getAliasedSymbol(required)).getProperties() : [];
  // A class appears twice: as a property of the function and as a type.
  const names = new Set([...checker.getExportsOfModule(face), ...values].map(({ name }) => name));
  return [...names].sort();
}

function compilerOptions(): ts.CompilerOptions {
  const path = join(ROOT, 'spec/tsconfig.json');
  const { config } = ts.readConfigFile(path, (file) => ts.sys.readFile(file)) as { config: unknown };
  return ts.parseJsonConfigFileContent(config, ts.sys, join(ROOT, 'spec'), undefined, path).options;
}

function messagesOf(diagnostics: readonly ts.Diagnostic[]): string[] {
  return diagnostics.map(({ file, start = 0, messageText }) => {
    const line = (file?.getLineAndCharacterOfPosition(start).line ?? 0) + 1;
    return `${line}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`;
  });
}
