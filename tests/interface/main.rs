//! What others see of the library before they run it: the headers, the exported symbols; and how its sources depend on
//! each other.

mod c_header;
mod compiler;
mod cpp_header;
mod exported_symbols;
mod imports_go_one_way;
