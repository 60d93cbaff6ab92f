// Everything below Bitswap between ipcs and js-libp2p: identify, ping, echo, perf, streams. Prints `ok NAME` / `not ok NAME: reason`.
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { check, Daemon, equal, foreign, IPCS, suite, until, watch } from './harness.mjs'

const MIB = 1 << 20
const js = (...args) => foreign(['--no-bitswap', ...args])

const ratio = (r) => `${Math.round((r.sent + r.received) / MIB / r.seconds)} MiB/s`

/** All checks over one connection, independent of who dialled it. */
async function overOneConnection (name, daemon, peer) {
  const hasPerf = async () => (await peer.cmd({ streams: daemon.id })).streams.some(s => s.includes('perf'))
  await check(name('each identifies the other'), async () => {
    const knows = (r) => r.ok && r.protocols.includes('/perf/1.0.0') && r.agent.startsWith('ipcs')
    await until('ipcs in the js peer store', () => peer.raw({ protocols: daemon.id }).then(knows))
    const known = await peer.cmd({ protocols: daemon.id })
    equal(known.signedRecord, true, 'that js took the signed record')
    const isKnown = (p) => p.Peer === peer.id && p.Identify.Protocols.includes('/perf/1.0.0')
    await until('js among the peers with its protocols', async () => (await daemon.peers()).some(isKnown))
    const info = (await daemon.peers()).find(p => p.Peer === peer.id)
    equal(info.Identify.Addresses.includes(peer.addr.replace(/\/p2p\/.*/, '')), true, 'that its address is known')
  })
  await check(name('js pings ipcs, on new streams and on one'), async () => {
    equal((await peer.cmd({ ping: daemon.id, count: 4 })).count, 4, 'the number of pings')
    equal((await peer.cmd({ ping: daemon.id, count: 20, stream: true })).count, 20, 'the number of pings')
  })
  await check(name('ipcs pings js'), () => daemon.run('ping', peer.id, '-n', '3'))
  await check(name('js sends 100 MiB and gets 100 MiB back'), async () =>
    ratio(await peer.cmd({ perf: daemon.id, send: 100 * MIB, recv: 100 * MIB, timeout: 100 })))
  await check(name('ipcs sends 100 MiB and gets 100 MiB back'), async () => {
    const r = await daemon.json('perf', peer.id, '--upload', String(100 * MIB), '--download', String(100 * MIB))
    return `${Math.round(100 / r.UploadSeconds)} and ${Math.round(100 / r.DownloadSeconds)} MiB/s`
  })
  await check(name('64 streams at once from js'), () => Promise.all(Array.from({ length: 64 }, (_, i) =>
    peer.cmd({ perf: daemon.id, send: 10_000 * i, recv: 5000 * i + 1 }))))
  await check(name('64 streams at once from ipcs'), () => Promise.all(Array.from({ length: 16 }, (_, i) =>
    daemon.run('perf', peer.id, '--upload', String(10_000 * i), '--download', String(5000 * i + 1)))))
  await check(name('a stream that js resets ends, the connection stays'), async () => {
    await peer.cmd({ abort: daemon.id })
    await until('end of the streams', async () => !await hasPerf())
    await peer.cmd({ ping: daemon.id })
  })
  await check(name('a stream that ipcs abandons ends at js, the connection stays'), async () => {
    const words = ['perf', peer.id, '--download', String(2 ** 34), '--upload', '0', '--api-socket', daemon.api]
    const client = spawn(IPCS, words, { stdio: 'ignore' })
    await until('perf stream at js', hasPerf)
    client.kill('SIGKILL')
    await until('end of the streams', async () => !await hasPerf(), 20_000)
    await daemon.run('ping', peer.id, '-n', '1')
  })
  await check(name('the connection was not lost'), async () => {
    equal((await daemon.peers()).filter(p => p.Peer === peer.id).length, 1, 'the number of connections')
    await peer.cmd({ ping: daemon.id })
  })
}

/** The ipcs libp2p library alone, with /echo/1.0.0 (Echo/Program.cs). */
async function ours (muxer) {
  const program = join(import.meta.dirname, 'Echo/bin/Release/net10.0/Ipcs.Echo')
  const proc = watch(spawn(program, [muxer], { stdio: ['pipe', 'pipe', 'inherit'] }))
  const lines = createInterface({ input: proc.stdout })[Symbol.asyncIterator]()
  const line = async () => {
    const { value, done } = await lines.next()
    if (done) throw new Error('the echo program has ended')
    return value
  }
  const [, id, addr] = (await line()).split(' ')
  return {
    id,
    addr,
    async echo (address, bytes) {
      proc.stdin.write(`echo ${address} ${bytes}\n`)
      equal(await line(), 'equal', `the echo of ${bytes} bytes`)
    },
    async stop () {
      proc.stdin.end()
      await new Promise(resolve => proc.on('exit', resolve))
    }
  }
}

/** Bytes sent and echoed; the sender compares their sha256. */
async function echoes (muxer) {
  for (const dialler of ['js', 'ipcs']) {
    const [own, peer] = await Promise.all([ours(muxer), js('--muxer', muxer)])
    const name = (text) => `${muxer}, ${dialler} dials: ${text}`
    const fromJs = async (size) => {
      const answer = await peer.cmd({ echo: own.id, size, seed: muxer + size, timeout: 100 })
      equal(answer.equal, true, `that ${size} bytes come back to js`)
    }
    if (dialler === 'js') await peer.cmd({ connect: own.addr })
    else await own.echo(peer.addr, 1)
    await check(name('ipcs echoes to js'), async () => { for (const size of [0, 1, 65_537, MIB]) await fromJs(size) })
    await check(name('js echoes to ipcs'), async () => { for (const size of [0, 1, 65_537, MIB]) await own.echo(peer.addr, size) })
    await check(name('js sends 100 MiB and gets them back, sha256 equal'), () => fromJs(100 * MIB))
    await check(name('ipcs sends 100 MiB and gets them back, sha256 equal'), () => own.echo(peer.addr, 100 * MIB))
    await Promise.all([own.stop(), peer.stop()])
  }
}

async function pair (muxer) {
  const name = (text) => `${muxer}: ${text}`
  const daemon = await Daemon.start(muxer, { options: ['--muxers', muxer] })
  const peer = await js('--muxer', muxer, '--key', 'swarm-' + muxer)
  const protocol = muxer === 'mplex' ? '/mplex/6.7.0' : '/yamux/1.0.0'
  await check(name('js dials ipcs'), async () => equal((await peer.cmd({ connect: daemon.addr })).muxer, protocol, 'the muxer'))
  await overOneConnection((text) => name('js dialled: ' + text), daemon, peer)
  await check(name('js disconnects, ipcs notices and dials'), async () => {
    await peer.cmd({ disconnect: daemon.id })
    await until('end of the connection', async () => !(await daemon.peers()).some(p => p.Peer === peer.id))
    await daemon.run('swarm', 'connect', peer.addr)
  })
  await overOneConnection((text) => name('ipcs dialled: ' + text), daemon, peer)
  await check(name('ipcs disconnects and js notices'), async () => {
    await daemon.run('swarm', 'disconnect', peer.id)
    const isOpen = (p) => p.peer === daemon.id && p.status === 'open'
    await until('end of the connection', async () => !(await peer.cmd({ peers: true })).peers.some(isOpen))
  })
  await peer.stop()
  await check(name('20 peers at once'), async () => {
    const peers = []
    const start = (i) => js('--muxer', muxer, '--key', `swarm-${muxer}-${i}`)
    for (let i = 0; i < 20; i += 5) peers.push(...await Promise.all(Array.from({ length: 5 }, (_, k) => start(i + k))))
    await Promise.all(peers.map((p, i) => i % 2 === 0 ? p.cmd({ connect: daemon.addr }) : daemon.run('swarm', 'connect', p.addr)))
    await Promise.all(peers.map(p => p.cmd({ perf: daemon.id, send: 2 * MIB, recv: 2 * MIB, timeout: 60 })))
    await until('20 peers', async () => (await daemon.peers()).length === 20)
    await Promise.all(peers.map(p => p.stop()))
    await until('end of all connections', async () => (await daemon.peers()).length === 0)
  })
  await check(name('the daemon stops cleanly'), () => daemon.stop())
}

async function both (muxer) {
  await echoes(muxer)
  await pair(muxer)
}

await suite({ mplex: () => both('mplex'), yamux: () => both('yamux') })
