from asterisk_conf.prompts import main

main()
