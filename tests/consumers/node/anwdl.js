// Every type, constant and function of anwdl.h for Node, read from the header itself. What a function writes through a
// pointer comes back in an array of one element: `const out = [null]`. A `char **` comes back as a pointer, for the
// caller to free.
const { readFileSync } = require('node:fs');
const koffi = require('koffi');

exports.load = (headerPath, libraryPath = 'libanwdl.so.0') => {
  const library = koffi.load(libraryPath);
  const header = readFileSync(headerPath, 'utf8').replace(/\/\*[^]*?\*\//g, '').replace(/\s+/g, ' ');
  const anwdl = {};
  for (const [, name, text] of header.matchAll(/#define (ANWDL_\w+) "([^"]*)"/g)) anwdl[name] = text;
  for (const [, name] of header.matchAll(/typedef struct (\w+) \1;/g)) koffi.opaque(name);
  for (const [, members, name] of header.matchAll(/typedef enum ANWDL_INT_ENUM {([^}]*)} (\w+);/g)) {
    koffi.alias(name, 'int');
    for (const [, constant, number] of members.matchAll(/(\w+) = (-?\d+)/g)) anwdl[constant] = Number(number);
  }
  for (const [, members, name] of header.matchAll(/typedef struct {([^}]*)} (\w+);/g))
    koffi.struct(name, Object.fromEntries([...members.matchAll(/(\S[^;]*?)(\w+);/g)].map(([, type, member]) => [member, type])));
  for (const [, result, name, parameters] of header.matchAll(/typedef (\w+) \(\*(\w+)\)(\([^)]*\));/g))
    koffi.alias(name, koffi.pointer(koffi.proto(`${result} ${name}_function${parameters}`)));
  for (const [, result, name, parameters] of header.matchAll(/((?:const )?\w+ \**)(anwdl_\w+)(\([^()]*\));/g)) {
    // Pointers to pointers and to numbers are for results, but for bytes, which go in.
    const declared = parameters.replace(/\bchar \*\*/g, 'void **').replace(/const uint8_t \*\*/g, 'void **')
      .replace(/(\w[\w ]* \*\*\w+|(?<!const )\b(?:bool|double|size_t|u?int\d+_t) \*out_\w+|size_t \*\w+)/g, '_Out_ $1');
    anwdl[name] = library.func(`${result}${name}${declared}`);
  }
  return anwdl;
};
