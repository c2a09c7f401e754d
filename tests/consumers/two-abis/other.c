/* The library of another ABI version, as far as this needs one. */
const char *anwdl_version(void);

const char *anwdl_version(void) {
    return "other";
}
