// The classes of C++ over the same library: results, and a failure that is thrown.
#include <anwdl.hpp>

#include <cstdlib>
#include <iostream>
#include <string>

int main() {
    anwdl::rsa_wrapper keys(false);
    keys.generate_key_pair(65537, 2048);
    const std::string pem = keys.get_public_key().c_str();
    try {
        keys.set_public_key("not a key");
    } catch (const anwdl::value_error &error) {
        std::cout << "libanwdl " << anwdl::version() << ": " << error.reason_name() << '\n';
        return pem.find("PUBLIC KEY") != std::string::npos &&
                       error.reason() == ANWDL_REASON_INVALID_KEY
                   ? EXIT_SUCCESS
                   : EXIT_FAILURE;
    }
    return EXIT_FAILURE;
}
