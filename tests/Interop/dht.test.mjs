// The LAN DHT between ipcs and js-libp2p, and mDNS in network namespaces. Prints `ok NAME` / `not ok NAME: reason`.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { check, Daemon, end, foreign, run, suite, until, work } from './harness.mjs'

const PEER = fileURLToPath(new URL('./peer/peer.mjs', import.meta.url))
let files = 0

async function add (daemon, text) {
  const file = join(work, `file-${files++}`)
  writeFileSync(file, text)
  return await daemon.text('add', file, '-Q', '--cid-version', '1', '--raw-leaves')
}

const providers = async (daemon, cid) => (await daemon.text('routing', 'findprovs', cid)).split('\n')

const inTable = (peer) => until('entry in the routing table of js', async () => (await peer.cmd({ dht_table: true })).dhtLan.size > 0)

async function twoNodes () {
  const daemon = await Daemon.start('two')
  const peer = await foreign(['--dht', 'lan', '--key', 'dht-two'])
  await peer.cmd({ connect: daemon.addr })
  await inTable(peer)
  await check('js provides, ipcs finds it', async () => {
    const { cid } = await peer.cmd({ put_block: true, seed: 'js provides', size: 1000 })
    await peer.cmd({ provide: cid })
    await until('provider', async () => (await providers(daemon, cid)).includes(peer.id))
  })
  await check('ipcs provides, js finds it', async () => {
    const cid = await add(daemon, 'ipcs provides')
    await daemon.text('routing', 'provide', cid)
    const { providers } = await peer.cmd({ find_providers: cid, max: 1 })
    if (providers[0]?.id !== daemon.id) throw new Error(`js found ${JSON.stringify(providers)}`)
    if (!providers[0].addrs.some(a => daemon.addr.startsWith(a))) throw new Error(`js got ${providers[0].addrs}`)
  })
  await check('pinned content is announced automatically', async () => {
    const cid = await add(daemon, 'announced by itself')
    await until('provider', async () => (await peer.cmd({ find_providers: cid, max: 1 })).providers[0]?.id === daemon.id)
  })
  await check('js stores a public key at ipcs and reads it again', async () => {
    const id = '002408011220' + '07'.repeat(32)
    await peer.cmd({ dht_put: Buffer.concat([Buffer.from('/pk/'), Buffer.from(id, 'hex')]).toString('hex'), value: id.slice(4) })
  })
  await end(peer, daemon)
}

async function threeNodes (name, kind) {
  const middle = kind === 'js' ? await foreign(['--dht', 'lan', '--key', 'dht-middle']) : await Daemon.start('middle')
  const daemon = await Daemon.start('three-' + kind)
  const peer = await foreign(['--dht', 'lan', '--key', 'dht-three-' + kind])
  await daemon.text('swarm', 'connect', middle.addr)
  await peer.cmd({ connect: middle.addr })
  await inTable(peer)
  await check(`${name}: js provides, ipcs finds it`, async () => {
    const { cid } = await peer.cmd({ put_block: true, seed: 'three ' + kind, size: 1000 })
    await peer.cmd({ provide: cid })
    await until('provider', async () => (await providers(daemon, cid)).includes(peer.id))
  })
  await check(`${name}: ipcs provides, js finds it and fetches it`, async () => {
    const cid = await add(daemon, 'three ' + kind)
    await daemon.text('routing', 'provide', cid)
    await until('provider', async () => (await peer.cmd({ find_providers: cid, max: 1 })).providers[0]?.id === daemon.id)
    const got = await peer.cmd({ block_get: cid, timeout: 30 })
    if (got.length !== ('three ' + kind).length) throw new Error(`the block has ${got.length} bytes`)
  })
  await check(`${name}: each finds the other's addresses`, async () => {
    await until('address of js', async () => (await daemon.text('routing', 'findpeer', peer.id)).includes('/tcp/'))
    await until('address of ipcs', async () => (await peer.cmd({ find_peer: daemon.id })).addrs.length > 0)
  })
  await end(peer, daemon, middle)
}

async function restart () {
  await check('a restarted daemon finds its former peers', async () => {
    const peer = await foreign(['--dht', 'lan', '--key', 'dht-restart'])
    let daemon = await Daemon.start('restart')
    await daemon.text('swarm', 'connect', peer.addr)
    await until('js among the peers', () => daemon.knows(peer.id))
    await daemon.stop()
    daemon = await Daemon.start('restart')
    await until('js among the peers after the restart', () => daemon.knows(peer.id))
    await end(daemon, peer)
  })
}

async function name () {
  await check('a peer given by a DNS name is dialled, and again after its restart', async () => {
    const first = await Daemon.start('named')
    const port = /tcp\/(\d+)/.exec(first.addr)[1]
    const second = await Daemon.start('naming', { options: ['--dht', 'off', '--peer', `/dns4/localhost/tcp/${port}`] })
    await until('connection', () => second.knows(first.id))
    await first.stop()
    await until('end of the connection', async () => !await second.knows(first.id))
    const again = await Daemon.start('named-again', { listen: `/ip4/127.0.0.1/tcp/${port}`, data: 'named' })
    await until('connection after the restart', () => second.knows(again.id))
    await end(second, again)
  })
}

/** Two connected namespaces: multicast needs an interface other than loopback, and must not reach the machine's own network. */
async function mdns () {
  if (process.getuid() !== 0) return console.log('skip mDNS: network namespaces need root')
  const a = `ipcsmdns${process.pid}a`; const b = `ipcsmdns${process.pid}b`
  const enter = (ns) => ['nsenter', `--net=/run/netns/${ns}`]
  try {
    for (const ns of [a, b]) await run('ip', ['netns', 'add', ns])
    await run('ip', ['link', 'add', 'eth0', 'netns', a, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', b])
    for (const [ns, n] of [[a, 1], [b, 2]]) {
      await run('ip', ['-n', ns, 'addr', 'add', `10.78.0.${n}/24`, 'dev', 'eth0'])
      await run('ip', ['-n', ns, 'link', 'set', 'eth0', 'up'])
      await run('ip', ['-n', ns, 'link', 'set', 'lo', 'up'])
      // js sends to the group through the routing table, ipcs on each interface.
      await run('ip', ['-n', ns, 'route', 'add', '224.0.0.0/4', 'dev', 'eth0'])
    }
    const on = { listen: '/ip4/0.0.0.0/tcp/0', mdns: 'on' }
    const first = await Daemon.start('mdns-a', { ...on, prefix: enter(a) })
    const second = await Daemon.start('mdns-b', { ...on, prefix: enter(b) })
    await check('mDNS: two daemons on one link find each other', () => until('connection', () => first.knows(second.id)))
    await second.stop()
    const peer = await foreign([], { cmd: [...enter(b), process.execPath, PEER, '--mdns', '--host', '10.78.0.2', '--key', 'mdns'] })
    await check('mDNS: js and ipcs find each other', async () => {
      await until('discovery by js', () => peer.events.some(e => e.event === 'discovery' && e.peer === first.id))
      await until('connection', () => first.knows(peer.id))
    })
    await end(peer, first)
  } finally {
    for (const ns of [a, b]) await run('ip', ['netns', 'del', ns]).catch(() => {})
  }
}

await suite({
  'two nodes': twoNodes,
  'through ipcs': () => threeNodes('through ipcs', 'ipcs'),
  'through js': () => threeNodes('through js', 'js'),
  restart,
  name,
  mDNS: mdns
})
