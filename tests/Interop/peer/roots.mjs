// roots.mjs PROFILE FILE...     prints `sha256:HEX`, the root digest by Helia's importer, of each file, with kubo-v0 or kubo-v1
import { createReadStream } from 'node:fs'
import { BlackHoleBlockstore } from 'blockstore-core'
import { importer } from 'ipfs-unixfs-importer'
import { importerOptions } from './common.mjs'

const [profile, ...files] = process.argv.slice(2)
for (const file of files) {
  let root
  const source = [{ content: createReadStream(file) }]
  for await (const entry of importer(source, new BlackHoleBlockstore(), importerOptions({ profile }))) root = entry.cid
  console.log('sha256:' + Buffer.from(root.multihash.digest).toString('hex'))
}
