/* A part of test_cpp that is compiled for another standard than the rest. */
#include <anwdl.hpp>

#include <functional>
#include <string>
#include <typeinfo>

std::string other_standard_says();
std::string other_standard_calls_data();
void other_standard_logs(const std::function<void()> &function);

std::string other_standard_says() {
    anwdl::data data;
    data.set_string("from", "another standard");
    return data.to_json().c_str();
}

std::string other_standard_calls_data() {
    return typeid(anwdl::data).name();
}

void other_standard_logs(const std::function<void()> &function) {
    anwdl::set_log_callback(anwdl::log_level::error,
                            [function](anwdl::log_level, const char *, const char *) {
                                function();
                                throw std::out_of_range("of another standard");
                            });
}
