/**
 * A layer that takes part in every call, and changes nothing: the beginning of one of your own.
 * Take away what you do not need. Nothing here uses it; weave it into `replicas.ts`, and the
 * simulator plays it through all faults.
 */
import type { Link } from '../chain.ts';
import type { Uid } from '../composable-paxos.ts';
import type { ClientAddress } from '../environment.ts';
import type * as wire from '../messages.ts';
import type { Constructor, ReplicatedValue } from '../replicated-value.ts';

/** What it adds. What it expects below it. */
export function MyLayer<TBase extends Constructor<ReplicatedValue>>(Base: TBase) {
  return class MyLayer extends Base {
    // Its state, in #private fields. No constructor.

    // Life.

    override start(): void {
      super.start();
    }

    override stop(): void {
      super.stop();
    }

    override retire(done: () => void): void {
      super.retire(done);
    }

    // What comes from outside.

    override submit(value: string): void {
      super.submit(value);
    }

    override receiveFromClient(client: ClientAddress, message: wire.ClientMessage): void {
      super.receiveFromClient(client, message);
    }

    override receive(from: Uid, message: wire.PeerMessage): void {
      super.receive(from, message);
    }

    // The five messages of Paxos, in the open instance, and all that are of another one.

    protected override receivePrepare(from: Uid, message: wire.Prepare): void {
      super.receivePrepare(from, message);
    }

    protected override receivePromise(from: Uid, message: wire.Promised): void {
      super.receivePromise(from, message);
    }

    protected override receiveNack(from: Uid, message: wire.Nack): void {
      super.receiveNack(from, message);
    }

    protected override receiveAccept(from: Uid, message: wire.Accept): void {
      super.receiveAccept(from, message);
    }

    protected override receiveAccepted(from: Uid, message: wire.Accepted): void {
      super.receiveAccepted(from, message);
    }

    protected override receiveFromOtherInstance(from: Uid, message: wire.PeerMessage): void {
      super.receiveFromOtherInstance(from, message);
    }

    // What makes things happen.

    protected override pursue(): void {
      super.pursue();
    }

    protected override drive(): void {
      super.drive();
    }

    protected override lead(): void {
      super.lead();
    }

    protected override nextLink(): Link | null {
      return super.nextLink();
    }

    protected override ask(question: wire.Question): void {
      super.ask(question);
    }

    protected override resign(done: () => void): void {
      super.resign(done);
    }

    protected override stand(): void {
      super.stand();
    }

    protected override heard(from: Uid): void {
      super.heard(from);
    }

    protected override preempted(from: Uid): void {
      super.preempted(from);
    }

    protected override rested(): void {
      super.rested();
    }

    protected override advanced(link: Link | null): void {
      super.advanced(link);
    }
  };
}
