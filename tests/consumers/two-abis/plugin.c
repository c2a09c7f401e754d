/* A part of the program that was linked with it. */
#include "plugin.h"

const char *anwdl_version(void);

const char *plugin_version(void) {
    return anwdl_version();
}
