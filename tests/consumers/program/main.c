#include "conversation.h"

int main(void) {
    return converse();
}
