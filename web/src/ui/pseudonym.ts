// Names for those whose names are hidden: always the same for the same person, and nothing about them.
const manners =
  'Calm Bright Quick Gentle Bold Clever Merry Quiet Keen Sunny Brisk Witty Swift Sturdy Nimble Patient'.split(
    ' ',
  )
const animals =
  'Otter Heron Badger Lynx Finch Tapir Marten Ibis Panda Falcon Gecko Bison Puffin Koala Stoat Raven Hare Newt Crane Moose Seal Wren Mole Dingo'.split(
    ' ',
  )

/** FNV-1a, 32 bits: spreads ids that differ only in their last digits. */
function hash(text: string): number {
  let value = 0x811c9dc5
  for (let index = 0; index < text.length; index += 1) {
    value = Math.imul(value ^ text.charCodeAt(index), 0x01000193)
  }
  return value >>> 0
}

export function pseudonym(id: string): string {
  const value = hash(id)
  const manner = manners[value % manners.length] ?? ''
  const animal = animals[Math.floor(value / manners.length) % animals.length] ?? ''
  return `${manner} ${animal} ${Math.floor(value / 1_000) % 100}`
}
