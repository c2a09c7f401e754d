/* Each part of the program calls the library that it was linked with. */
#include "plugin.h"
#include <anwdl.h>
#include <stdio.h>
#include <string.h>

int main(void) {
    printf("here: %s, in the plugin: %s\n", anwdl_version(), plugin_version());
    return strcmp(anwdl_version(), ANWDL_VERSION) != 0 || strcmp(plugin_version(), "other") != 0;
}
