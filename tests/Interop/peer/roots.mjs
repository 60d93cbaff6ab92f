// roots.mjs FILE...     the root's digest of each file as Helia's importer makes it, in the DAG that `ipfs add` made in 2019: a line `sha256:HEX` for each
import { createReadStream } from 'node:fs'
import { BlackHoleBlockstore } from 'blockstore-core'
import { importer } from 'ipfs-unixfs-importer'
import { importerOptions } from './common.mjs'

for (const file of process.argv.slice(2)) {
  let root
  for await (const entry of importer([{ content: createReadStream(file) }], new BlackHoleBlockstore(), importerOptions({ profile: 'kubo-v0' }))) root = entry.cid
  console.log('sha256:' + Buffer.from(root.multihash.digest).toString('hex'))
}
