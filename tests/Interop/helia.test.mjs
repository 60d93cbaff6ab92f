// Bitswap in both directions and ping between ipcs and Helia (js-libp2p). Prints `ok NAME` / `not ok NAME: reason`.
import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { check, Daemon, equal, foreign, suite, until, work } from './harness.mjs'
import { genBytes } from './peer/gen.mjs'

const FILES = [['0 B', 0], ['1 B', 1], ['300 KB', 300_000], ['5 MB', 5_000_000]]
const LEAVES = [
  ['raw leaves', 'kubo-v1', ['--cid-version', '1', '--raw-leaves']],
  ['dag-pb leaves', 'kubo-v0', ['--cid-version', '0', '--raw-leaves=false']]
]
const CHUNKER = ['--chunker', 'size-262144']

const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex')

async function add (daemon, bytes, options, chunker = CHUNKER) {
  const file = join(work, 'file')
  writeFileSync(file, bytes)
  return await daemon.text('add', file, '-Q', ...chunker, ...options)
}

const knows = (peer, id) => peer.raw({ protocols: id }).then(r => r.ok && r.protocols.includes('/ipfs/bitswap/1.2.0'))

async function exchange (muxer) {
  const daemon = await Daemon.start(muxer, { options: ['--muxers', muxer] })
  const peer = await foreign(['--muxer', muxer, '--key', 'helia-' + muxer])
  const name = (text) => `${muxer}: ${text}`

  const met = await check(name('Helia dials ipcs and identifies it'), async () => {
    const c = await peer.cmd({ connect: daemon.addr })
    equal(c.muxer, '/' + (muxer === 'mplex' ? 'mplex/6.7.0' : 'yamux/1.0.0'), 'the muxer')
    await until('Bitswap among the protocols that identify reported', () => knows(peer, daemon.id))
  })
  if (!met) return
  await check(name('Helia pings ipcs'), async () => equal((await peer.cmd({ ping: daemon.id, count: 5 })).count, 5, 'the number of pings'))
  await check(name('ipcs pings Helia'), () => daemon.run('ping', peer.id, '-n', '3'))

  for (const [leaves, profile, options] of LEAVES) {
    for (const [size, bytes] of FILES) {
      await check(name(`Helia fetches ${size} from ipcs, ${leaves}`), async () => {
        const data = genBytes(`${muxer} ${leaves} out`, bytes)
        const cid = await add(daemon, data, options)
        const got = await peer.cmd({ cat: cid, timeout: 30 })
        equal(got.length, bytes, 'the length')
        equal(got.sha256, sha256(data), 'the hash')
        const own = await peer.cmd({ add: { size: bytes, seed: `${muxer} ${leaves} out`, profile } })
        equal(cid, own.cid, 'the CID')
      })
    }
  }

  await check(name('Helia fetches blocks that ipcs stores compressed'), async () => {
    const data = Buffer.alloc(3_000_000, 'the same words again and ' + muxer + ' again. ')
    const cid = await add(daemon, data, ['--cid-version', '0', '--raw-leaves=false'], ['--chunker', 'tar'])
    const got = await peer.cmd({ cat: cid, timeout: 30 })
    equal(got.length, data.length, 'the length')
    equal(got.sha256, sha256(data), 'the hash')
  })

  await check(name('ipcs dials Helia'), async () => {
    await peer.cmd({ disconnect: daemon.id })
    await until('end of the connection', async () => !await daemon.knows(peer.id))
    await daemon.run('swarm', 'connect', peer.addr)
    await until('Helia among the peers', () => daemon.knows(peer.id))
  })
  for (const [leaves, profile] of LEAVES) {
    for (const [size, bytes] of FILES) {
      await check(name(`ipcs fetches ${size} from Helia, ${leaves}`), async () => {
        const seed = `${muxer} ${leaves} in`
        const { cid } = await peer.cmd({ add: { size: bytes, seed, profile } })
        const got = await daemon.run('cat', cid)
        equal(got.length, bytes, 'the length')
        equal(sha256(got), sha256(genBytes(seed, bytes)), 'the hash')
      })
    }
  }
  await check(name('ipcs reads a range of a file of Helia'), async () => {
    const seed = muxer + ' range'
    const { cid } = await peer.cmd({ add: { size: 2_000_000, seed, profile: 'kubo-v1' } })
    const got = await daemon.run('cat', cid, '--offset', '262000', '--length', '1000')
    equal(sha256(got), sha256(genBytes(seed, 2_000_000).subarray(262_000, 263_000)), 'the hash')
  })
  await check(name('both stop cleanly'), async () => { await peer.stop(); await daemon.stop() })
}

// js-libp2p with its default limits: it closes the connection at more than 5 new streams or connections a second.
async function withJsLimits () {
  const daemon = await Daemon.start('limits', { options: ['--muxers', 'mplex'] })
  const peer = await foreign(['--muxer', 'mplex', '--mplex-defaults', '--cm-defaults', '--key', 'helia-limits'])
  await check("mplex with js's own limits: ipcs fetches ten files of 1 MB from Helia over one connection", async () => {
    await daemon.run('swarm', 'connect', peer.addr)
    for (let i = 0; i < 10; i++) {
      const { cid } = await peer.cmd({ add: { size: 1_000_000, seed: 'limits ' + i, profile: 'kubo-v1' } })
      equal(sha256(await daemon.run('cat', cid)), sha256(genBytes('limits ' + i, 1_000_000)), 'the hash')
    }
    const closed = peer.events.filter(e => e.event === 'connection:close' && e.peer === daemon.id).length
    equal(closed, 0, 'the number of connections lost')
  })
  await peer.stop()
  await daemon.stop()
}

await suite({
  mplex: () => exchange('mplex'),
  yamux: () => exchange('yamux'),
  "js's own limits": withJsLimits
})
