/** The base, where no story and no seed would tell. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ChainState, EMPTY_CHAIN } from '../src/chain.ts';
import { PlainReplica } from '../src/simulation/replicas.ts';
import { OneReplica } from './one-replica.ts';

test('a server that stops in order has all that is chosen on its disk', () => {
  const one = new OneReplica(PlainReplica, ['A']);
  one.replica.start();
  one.replica.submit('hello');
  assert.equal(one.replica.instanceNumber, 2);
  assert.equal(one.saved?.instanceNumber, 1);
  one.replica.stop();
  assert.equal(one.saved?.instanceNumber, 2);
  assert.equal(one.saved?.currentValue, 'hello');
});

test('a server that does not stop has it there a moment later', () => {
  const one = new OneReplica(PlainReplica, ['A']);
  one.replica.start();
  one.replica.submit('hello');
  one.wait(100);
  assert.equal(one.saved?.instanceNumber, 2);
});

test('nobody can make the chain go back, or stand still', () => {
  class Jumping extends PlainReplica {
    jumpTo(instanceNumber: number, chain: ChainState): void {
      this.jump(instanceNumber, chain);
    }
  }
  const { replica } = new OneReplica(Jumping, ['A', 'B', 'C']);
  const jumping = replica as Jumping;
  jumping.start();
  jumping.jumpTo(7, EMPTY_CHAIN);
  assert.throws(() => jumping.jumpTo(7, EMPTY_CHAIN), /only grows/);
  assert.throws(() => jumping.jumpTo(3, EMPTY_CHAIN), /only grows/);
  assert.equal(jumping.instanceNumber, 7);
});
