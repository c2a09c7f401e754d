/* A part of test_cpp that is compiled for another standard than the rest. */
#include <anwdl.hpp>

#include <string>
#include <typeinfo>

std::string other_standard_says();
std::string other_standard_calls_data();

std::string other_standard_says() {
    anwdl::data data;
    data.set_string("from", "another standard");
    return data.to_json().c_str();
}

std::string other_standard_calls_data() {
    return typeid(anwdl::data).name();
}
