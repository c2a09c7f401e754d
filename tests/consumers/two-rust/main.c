/* libanwdl.a and another static library written in Rust, both at work. */
#include "program/conversation.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

uint32_t greeter_count(const char *text);

int main(void) {
    if (greeter_count("hello") != 4)
        return EXIT_FAILURE;
    if (converse() != 0)
        return EXIT_FAILURE;
    return greeter_count("good bye") == 7 ? EXIT_SUCCESS : EXIT_FAILURE;
}
