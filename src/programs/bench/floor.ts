/**
 * The floor of the benchmark: what an update costs at least, whatever the protocol.
 *
 * Three processes pass the same datagrams as servers with a master do, as the same JSON, and save
 * the same files as durably, at the same time; but nothing is checked, counted or decided. Whoever
 * gets a `request` leads, the others accept. So the difference to a real server is the protocol's
 * and the code's own cost.
 *
 * `floor.ts <uid> <cluster file> <state directory>`; with only a port it is a bare echo.
 */
import { createSocket, type Socket } from 'node:dgram';
import type { RememberedRequest, RequestedLink } from '../../chain.ts';
import type { Accept, Accepted, Message, RequestMessage } from '../../messages.ts';
import { encodeDatagram } from '../../messages.ts';
import { type Address, addressOf, type Cluster, readClusterFile } from '../../node/cluster-file.ts';
import { JsonStateFile } from '../../node/json-state-file.ts';
import { runProgram } from '../../node/program.ts';
import { LOOPBACK } from '../common/free-port.ts';

class FloorServer {
  readonly #uid: string;
  readonly #members: readonly string[];
  readonly #peers: readonly Address[];
  readonly #file: JsonStateFile;
  readonly #socket: Socket;
  /** Who waits for the answer to which request. */
  readonly #clients = new Map<string, Address>();
  /** A real server remembers its clients in its state file, so they are here, too. */
  readonly #requests = new Map<string, RememberedRequest>();
  #seq = 0;

  constructor(uid: string, cluster: Cluster, stateDirectory: string, socket: Socket) {
    this.#uid = uid;
    this.#members = [...cluster.keys()];
    this.#peers = [...cluster].flatMap(([peer, address]) => (peer === uid ? [] : [address]));
    this.#file = new JsonStateFile(stateDirectory, uid);
    this.#socket = socket;
    socket.on('message', (bytes, { address: host, port }) => {
      const message = JSON.parse(bytes.toString()) as Message;
      if (message.type === 'request') return this.#lead({ host, port }, message);
      if (message.type === 'accept') return this.#accept(message);
      if (message.type === 'accepted') return this.#answer(message);
      socket.send(bytes, port, host); // to show that it is there
    });
  }

  #lead(client: Address, { requestId: request, value: update }: RequestMessage): void {
    this.#clients.set(request, client);
    this.#seq += 1;
    const instanceNumber = this.#seq;
    const proposalValue = { update, id: `${this.#uid}-01234567-${instanceNumber}`, request };
    const proposalId = { number: 1, uid: this.#uid };
    const accept: Accept = { type: 'accept', instanceNumber, proposalId, proposalValue };
    this.#sendToPeers(accept);
    this.#accept(accept);
  }

  #accept(accept: Accept): void {
    this.#save(accept);
    this.#sendToPeers({ ...accept, type: 'accepted' });
  }

  /** The first word of another one makes two of three. */
  #answer({ instanceNumber, proposalValue }: Accepted): void {
    const { request: requestId } = proposalValue as RequestedLink;
    const client = this.#clients.get(requestId);
    if (client === undefined) return;
    this.#clients.delete(requestId);
    this.#send([client], { type: 'chosen', requestId, instanceNumber });
  }

  #save({ instanceNumber, proposalId, proposalValue }: Accept): void {
    const link = proposalValue as RequestedLink;
    const [client = '', , number] = link.request.split('-');
    this.#file.save({
      uid: this.#uid,
      members: this.#members,
      instanceNumber,
      votesFrom: 1,
      currentValue: link.update,
      lease: { holder: proposalId.uid, id: link.id },
      latestUpdateIds: { [proposalId.uid]: link.id },
      requests: [...this.#requests.values()],
      forgottenUpTo: 0,
      promisedId: proposalId,
      acceptedId: proposalId,
      acceptedValue: link,
    });
    this.#requests.set(client, { client, number: Number(number), instanceNumber });
  }

  #sendToPeers(message: Message): void {
    this.#send(this.#peers, message);
  }

  #send(to: readonly Address[], message: Message): void {
    const bytes = encodeDatagram(this.#seq, message);
    for (const { host, port } of to) this.#socket.send(bytes, port, host);
  }
}

/** Like that of the servers, it sends before the next save begins: without a look-up in between. */
function openSocket({ host, port }: Address): Socket {
  const socket = createSocket({
    type: 'udp4',
    lookup: (name, _o, answer) => answer(null, name, 4),
  });
  socket.bind(port, host);
  return socket;
}

await runProgram(async ([first = '', clusterFile, stateDirectory = '']) => {
  if (clusterFile === undefined) {
    const echo = openSocket({ host: LOOPBACK, port: Number(first) });
    echo.on('message', (bytes, { address, port }) => echo.send(bytes, port, address));
    return;
  }
  const cluster = readClusterFile(clusterFile);
  new FloorServer(first, cluster, stateDirectory, openSocket(addressOf(cluster, first)));
});
